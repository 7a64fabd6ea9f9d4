package bench

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/layers"
)

// Drops are the names of the entries that go, a set a layer.
type Drops []map[string]bool

// WriteDrops writes what a plan drops, a line an entry, so that [Naive] can
// drop the same.
func WriteDrops(name string, t *layers.Tree, pl *harden.Plan) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("writing what is dropped: %w", err)
	}
	w := bufio.NewWriter(f)
	for e := range t.Entries() {
		if pl.Records.At(e.ID).Action == harden.ActDrop {
			fmt.Fprintf(w, "%d %s\n", e.Layer, e.Name) //nolint:errcheck // a bufio.Writer keeps its error for Flush
		}
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return fmt.Errorf("writing what is dropped: %w", err)
	}
	return nil
}

// ReadDrops reads what [WriteDrops] wrote.
func ReadDrops(name string) (Drops, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading what is dropped: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	var d Drops
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		number, entry, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n > 1<<10 {
			return nil, fmt.Errorf("reading what is dropped: %q is no line of it", lines.Text())
		}
		for len(d) <= n {
			d = append(d, map[string]bool{})
		}
		d[n][entry] = true
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading what is dropped: %w", err)
	}
	return d, nil
}

func (d Drops) of(layer int) map[string]bool {
	if layer < len(d) {
		return d[layer]
	}
	return nil
}

// Naive filters an image as one writes it down with go-containerregistry: each
// layer that loses something is read through archive/tar, written anew and
// compressed by [tarball.LayerFromOpener] as it comes, and the image is put
// together by mutate and written as a layout. It neither plans nor checks, and
// leaves databases and hard links as they are.
func Naive(img v1.Image, drops Drops, out string) error {
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("naive: %w", err)
	}
	list, err := img.Layers()
	if err != nil {
		return fmt.Errorf("naive: %w", err)
	}
	config = config.DeepCopy()
	config.RootFS.DiffIDs, config.History = nil, nil
	result, err := mutate.ConfigFile(empty.Image, config)
	if err != nil {
		return fmt.Errorf("naive: %w", err)
	}
	for i, l := range list {
		if drop := drops.of(i); len(drop) > 0 {
			if l, err = tarball.LayerFromOpener(func() (io.ReadCloser, error) { return filtered(list[i], drop) }); err != nil {
				return fmt.Errorf("naive: layer %d: %w", i, err)
			}
		}
		if result, err = mutate.AppendLayers(result, l); err != nil {
			return fmt.Errorf("naive: layer %d: %w", i, err)
		}
	}
	path, err := layout.Write(out, empty.Index)
	if err != nil {
		return fmt.Errorf("naive: %w", err)
	}
	if err := path.AppendImage(result); err != nil {
		return fmt.Errorf("naive: %w", err)
	}
	return nil
}

// filtered is a layer's archive without what is dropped.
func filtered(l v1.Layer, drop map[string]bool) (io.ReadCloser, error) {
	in, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		err := filter(w, in, drop)
		w.CloseWithError(errors.Join(err, in.Close()))
	}()
	return r, nil
}

func filter(w io.Writer, r io.Reader, drop map[string]bool) error {
	in, out := tar.NewReader(r), tar.NewWriter(w)
	for {
		hdr, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err != nil {
			return err
		}
		if drop[hdr.Name] {
			continue
		}
		if err := out.WriteHeader(hdr); err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			return err
		}
	}
}
