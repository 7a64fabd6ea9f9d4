package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	a := mixed()
	b := mixed()
	b.Executables[0].Phase = []string{PhaseServing}
	b.Executables[0].Seen = Seen{} // counts are no difference
	b.Executables = append(b.Executables[:1], b.Executables[2], Executable{Path: "/bin/busybox", As: "wget", Origin: []string{OriginChild}})
	b.Files[0].Access = []string{AccessRead}
	b.Files = b.Files[:3]
	b.Patterns, b.Missing = nil, []Missing{{Path: "/x\n", Errno: []string{"ENOENT"}}}
	b.Network.Connect[0].Results = []string{ResultRefused}
	b.Network.Listen = append(b.Network.Listen, Listen{Proto: "udp", Addr: "::", Port: 53})
	b.Network.Accept[0].Peer = Peer{K8s: K8s{Namespace: "shop", Labels: map[string]string{"app": "lb"}}}
	b.Sources = b.Sources[:1]
	b.Images = b.Images[:1]
	d, err := Compare(a, b)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := d.Render(&out); err != nil {
		t.Fatal(err)
	}
	want := `images
- ` + digestOf('b') + `
sources
- ` + a.Sources[1].ID + ` tetragon two
executables
- /sh
+ /bin/busybox::wget
~ /web
  + phase serving
files
- /nobodys
~ /page
  + access read
patterns
- /p/*
missing
- /m
+ "/x\n"
network.listen
+ udp :: port 53
network.accept
- tcp port 80 from 192.0.2.1
+ tcp port 80 from shop app=lb
network.connect
~ tcp 192.0.2.2 port 443 by /sh
  + result refused
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	back, err := Compare(b, a)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.Sections[2].Added, back.Sections[2].Removed); diff != "" || back.Sections[2].Changed[0].Removed[0] != "phase serving" {
		t.Errorf("the other way round: %+v", back.Sections[2])
	}
	var decoded Difference
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &decoded); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, &decoded); diff != "" {
		t.Error(diff)
	}
}

func TestCompareEqual(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		p := newGenerator(seed).profile()
		d, err := Compare(p, mustMerge(t, p, p))
		if err != nil || !d.Empty() {
			t.Fatalf("seed %d: %v, %+v", seed, err, d)
		}
	}
}

func TestCompareRefusesMixedBinding(t *testing.T) {
	t.Parallel()
	bound := &Profile{Files: []File{{Path: "/a", Bound: true}}}
	if _, err := Compare(bound, &Profile{Files: []File{{Path: "/a"}}}); !errors.Is(err, ErrMixed) {
		t.Errorf("the error is %v", err)
	}
}
