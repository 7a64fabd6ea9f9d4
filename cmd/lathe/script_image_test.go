package main

import (
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lathe-build/lathe/internal/testimage"
)

// imageCommands make images with the tools of others:
//
//	mkimage   [-config FILE] [-arch A] TEXT DIR           an OCI layout; its digest is in $DIGEST
//	mkarchive [-config FILE] [-tag NAME:TAG] TEXT FILE    a docker archive
//	mkindex   [-config FILE] TEXT DIR ARCH...             an index, with an attestation manifest, as buildkit writes it;
//	                                                      the digests are in $DIGEST and $DIGEST_arch
//	crane-push DIR REF                                    what a layout holds, to a registry
//	blob      VAR DIR manifest|config|layer               the path of a blob of a layout; an index is a manifest here
//	same      OUT OUT                                     the same manifests, plan, hint and policy
func imageCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"mkimage": mkImage, "mkarchive": mkArchive, "mkindex": mkIndex, "crane-push": cranePush, "blob": blobPath,
		"same": same,
	}
}

type imageFlags struct {
	config, arch, tag string
	args              []string
}

func parseImageFlags(ts *testscript.TestScript, args []string) imageFlags {
	var f imageFlags
	set := flag.NewFlagSet("mkimage", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&f.config, "config", "", "")
	set.StringVar(&f.arch, "arch", "amd64", "")
	set.StringVar(&f.tag, "tag", "example.com/web:1", "")
	ts.Check(set.Parse(args))
	f.args = set.Args()
	return f
}

func (f imageFlags) image(ts *testscript.TestScript, text, arch string) v1.Image {
	var config v1.Config
	if f.config != "" {
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(fixtureFile(ts, f.config))), &config))
	}
	body := strings.ReplaceAll(ts.ReadFile(fixtureFile(ts, text)), "@ARCH@", arch)
	img, err := testimage.Image(body, config)
	ts.Check(err)
	file, err := img.ConfigFile()
	ts.Check(err)
	if arch != file.Architecture {
		file = file.DeepCopy()
		file.Architecture = arch
		img, err = mutate.ConfigFile(img, file)
		ts.Check(err)
	}
	return img
}

func mkImage(ts *testscript.TestScript, _ bool, args []string) {
	f := parseImageFlags(ts, args)
	if len(f.args) != 2 {
		ts.Fatalf("usage: mkimage [-config FILE] [-arch A] TEXT DIR")
	}
	img := f.image(ts, f.args[0], f.arch)
	path, err := layout.Write(ts.MkAbs(f.args[1]), empty.Index)
	ts.Check(err)
	ts.Check(path.AppendImage(img))
	setDigest(ts, "DIGEST", img)
	config, err := img.ConfigName()
	ts.Check(err)
	ts.Setenv("CONFIG_DIGEST", config.String())
}

func setDigest(ts *testscript.TestScript, name string, of interface{ Digest() (v1.Hash, error) }) {
	d, err := of.Digest()
	ts.Check(err)
	ts.Setenv(name, d.String())
}

func mkArchive(ts *testscript.TestScript, _ bool, args []string) {
	f := parseImageFlags(ts, args)
	if len(f.args) != 2 {
		ts.Fatalf("usage: mkarchive [-config FILE] [-tag NAME:TAG] TEXT FILE")
	}
	img := f.image(ts, f.args[0], f.arch)
	tag, err := name.NewTag(f.tag)
	ts.Check(err)
	ts.Check(tarball.WriteToFile(ts.MkAbs(f.args[1]), tag, img))
	config, err := img.ConfigName()
	ts.Check(err)
	ts.Setenv("CONFIG_DIGEST", config.String())
}

func mkIndex(ts *testscript.TestScript, _ bool, args []string) {
	f := parseImageFlags(ts, args)
	if len(f.args) < 3 {
		ts.Fatalf("usage: mkindex [-config FILE] TEXT DIR ARCH...")
	}
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range f.args[2:] {
		img := f.image(ts, f.args[0], arch)
		setDigest(ts, "DIGEST_"+arch, img)
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
		d, err := img.Digest()
		ts.Check(err)
		note, err := mutate.AppendLayers(
			mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON),
			static.NewLayer([]byte(`{"_type":"statement of `+arch+`"}`), "application/vnd.in-toto+json"))
		ts.Check(err)
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: note, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{
				"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": d.String(),
			},
		}})
	}
	path, err := layout.Write(ts.MkAbs(f.args[1]), empty.Index)
	ts.Check(err)
	ts.Check(path.AppendIndex(idx))
	setDigest(ts, "DIGEST", idx)
}

// cranePush copies the first entry of a layout to a registry.
func cranePush(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: crane-push DIR REF")
	}
	ref, err := name.ParseReference(args[1])
	ts.Check(err)
	top := topOf(ts, args[0])
	if top.MediaType.IsIndex() {
		idx, err := layout.ImageIndexFromPath(ts.MkAbs(args[0]))
		ts.Check(err)
		child, err := idx.ImageIndex(top.Digest)
		ts.Check(err)
		ts.Check(remote.WriteIndex(ref, child))
		return
	}
	path, err := layout.FromPath(ts.MkAbs(args[0]))
	ts.Check(err)
	img, err := path.Image(top.Digest)
	ts.Check(err)
	ts.Check(remote.Write(ref, img))
}

// topOf is the first descriptor of a layout.
func topOf(ts *testscript.TestScript, dir string) v1.Descriptor {
	var index v1.IndexManifest
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(dir, "index.json"))), &index))
	if len(index.Manifests) == 0 {
		ts.Fatalf("%s is empty", dir)
	}
	return index.Manifests[0]
}

func blobFile(dir string, h v1.Hash) string {
	return filepath.Join(dir, "blobs", h.Algorithm, h.Hex)
}

// blobPath puts the path of a blob into a variable.
func blobPath(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: blob VAR DIR manifest|config|layer|index")
	}
	dir := ts.MkAbs(args[1])
	h := topOf(ts, args[1]).Digest
	if args[2] != "manifest" {
		raw, err := os.ReadFile(blobFile(dir, h))
		ts.Check(err)
		m, err := v1.ParseManifest(strings.NewReader(string(raw)))
		ts.Check(err)
		if h = m.Config.Digest; args[2] == "layer" {
			h = m.Layers[0].Digest
		}
	}
	ts.Setenv(args[0], blobFile(dir, h))
}

// same compares two outputs but for signatures and what names them.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same OUT OUT")
	}
	a, b := topOf(ts, filepath.Join(args[0], imageDir)), topOf(ts, filepath.Join(args[1], imageDir))
	if a.Digest != b.Digest {
		ts.Fatalf("the images %s and %s", a.Digest, b.Digest)
	}
	for _, name := range []string{planFile, hintFile, policyFile} {
		if ts.ReadFile(filepath.Join(args[0], name)) != ts.ReadFile(filepath.Join(args[1], name)) {
			ts.Fatalf("%s of %s and %s differ", name, args[0], args[1])
		}
	}
}
