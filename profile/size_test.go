package profile

import (
	"bytes"
	"fmt"
	"testing"
)

// sized is a profile with that many files, as programs open them.
func sized(files int) *Profile {
	s := Source{Kind: KindObserved, Recorder: Recorder{Name: "test"}}
	s.ID = SourceID(s)
	p := &Profile{Sources: []Source{s}}
	for i := range files {
		p.Files = append(p.Files, File{
			Path: Path(fmt.Sprintf("/usr/lib/python3/site-packages/package%d/module%d.py", i/50, i)), Access: []string{AccessOpen, AccessRead},
			By: []string{"/usr/bin/python3"}, Phase: []string{PhaseStartup}, Seen: []string{s.ID},
		})
	}
	return p
}

// Lists that are read once for all entries are not one list in the end.
func TestReadShares(t *testing.T) {
	t.Parallel()
	data, err := sized(3).Canonical()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Read(bytes.NewReader(data), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	id := p.Files[1].Seen[0]
	p.Files[0].Access[0], p.Files[0].By[0], p.Files[0].Seen[0] = "x", "x", "x"
	if f := p.Files[1]; f.Access[0] == "x" || f.By[0] == "x" || f.Seen[0] != id {
		t.Errorf("another entry has changed: %v", f)
	}
}

func BenchmarkCanonical(b *testing.B) {
	p := sized(100_000)
	for b.Loop() {
		if _, err := p.Canonical(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	data, err := sized(100_000).Canonical()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(data), Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
