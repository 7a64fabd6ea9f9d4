package bench

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
)

// texture is what a file's bytes are like, which decides how well they compress.
type texture uint8

const (
	text  texture = iota // words: sources, configuration, documentation
	code                 // like machine code
	noise                // like pictures and archives
	blank                // mostly zeros
)

const (
	poolSize  = 4 << 20
	chunkSize = 32 << 10 // what deflate can look back at: reusing a pool gains it nothing
	seed      = 0x1a7e
)

// contents makes the bytes of files out of one pool a texture.
type contents struct{ pools [blank + 1][]byte }

func newContents() *contents {
	rng := rand.New(rand.NewPCG(seed, 0))
	return &contents{[...][]byte{
		text: words(rng), code: instructions(rng), noise: random(rng, poolSize), blank: blanks(rng),
	}}
}

func random(rng *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		v := rng.Uint64()
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
	}
	return b[:n]
}

// words is text in which few words are frequent and most are rare.
func words(rng *rand.Rand) []byte {
	list := make([]string, 4000)
	for i := range list {
		var w strings.Builder
		for range 2 + rng.IntN(9) {
			w.WriteByte("etaoinshrdlucmfwypvbgkqjxz"[min(rng.IntN(26), rng.IntN(26))])
		}
		list[i] = w.String()
	}
	pick := rand.NewZipf(rng, 1.35, 6, uint64(len(list)-1))
	var b bytes.Buffer
	for b.Len() < poolSize {
		b.WriteString(list[pick.Uint64()])
		b.WriteString([...]string{" ", " ", " ", ", ", "(", ") ", " = ", "\n", "\n\t"}[rng.IntN(9)])
	}
	return b.Bytes()[:poolSize]
}

// instructions is a stream of short sequences that come back, with operands
// between them that do not.
func instructions(rng *rand.Rand) []byte {
	list := make([][]byte, 1500)
	for i := range list {
		list[i] = random(rng, 2+rng.IntN(7))
	}
	pick := rand.NewZipf(rng, 1.3, 6, uint64(len(list)-1))
	var b bytes.Buffer
	for b.Len() < poolSize {
		b.Write(list[pick.Uint64()])
		switch rng.IntN(9) {
		case 0:
			b.Write(random(rng, 1))
		case 1:
			b.Write([]byte{byte(rng.UintN(256)), byte(rng.UintN(24)), 0, 0})
		}
	}
	return b.Bytes()[:poolSize]
}

// blanks are zeros with something every page, so that no limit on bombs is met.
func blanks(rng *rand.Rand) []byte {
	b := make([]byte, poolSize)
	for i := 0; i < poolSize; i += 4 << 10 {
		copy(b[i:], fmt.Sprintf("page %d %x", i, rng.Uint64()))
	}
	return b
}

// write writes n bytes of a texture, the same for the same id.
func (c *contents) write(w io.Writer, t texture, id uint64, n int64) error {
	rng := rand.New(rand.NewPCG(seed, id))
	pool := c.pools[t]
	for n > 0 {
		size := min(n, chunkSize)
		at := rng.IntN(poolSize - chunkSize + 1)
		if _, err := w.Write(pool[at : at+int(size)]); err != nil {
			return err
		}
		n -= size
	}
	return nil
}
