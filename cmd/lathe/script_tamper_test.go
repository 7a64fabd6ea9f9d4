package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/sign"
)

// tamperCommands change what harden wrote:
//
//	flip FILE [layer]     one bit of the byte in the middle, or in the first gzip data
//	tamper LAYOUT WHAT    see tamper
//	tamper-source LAYOUT WHAT  the same for a layout that harden reads; see tamperSource
//	resign LAYOUT KEY     signs what is there now, and attests it with the old predicate, corrected to its digest:
//	                      what a thief of the key could do
func tamperCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"flip": flip, "tamper": tamper, "tamper-source": tamperSource, "resign": resign,
	}
}

func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: flip FILE [layer]")
	}
	name := ts.MkAbs(args[0])
	raw, err := os.ReadFile(name)
	ts.Check(err)
	at := len(raw) / 2
	if len(args) > 1 {
		at = bytes.Index(raw, []byte("\x1f\x8b\x08")) + 50
	}
	raw[at] ^= 1
	ts.Check(os.WriteFile(name, raw, 0o600))
}

// document is a JSON document as a value.
type document = map[string]any

// layoutDir is a layout that is edited by hand: blobs get their new names, and
// what names them is corrected.
type layoutDir struct {
	ts  *testscript.TestScript
	dir string
}

func (l layoutDir) put(raw []byte) v1.Hash {
	h := hashOf(raw)
	l.ts.Check(os.WriteFile(blobFile(l.dir, h), raw, 0o600))
	return h
}

func (l layoutDir) get(digest any) []byte {
	text, _ := digest.(string)
	h, err := v1.NewHash(text)
	l.ts.Check(err)
	raw, err := os.ReadFile(blobFile(l.dir, h))
	l.ts.Check(err)
	return raw
}

func (l layoutDir) parse(raw []byte) document {
	var doc document
	l.ts.Check(json.Unmarshal(raw, &doc))
	return doc
}

// set puts a blob and lets a descriptor name it.
func (l layoutDir) set(desc document, raw []byte) {
	desc["digest"], desc["size"] = l.put(raw).String(), len(raw)
}

func (l layoutDir) setJSON(desc document, v any) {
	raw, err := json.Marshal(v)
	l.ts.Check(err)
	l.set(desc, raw)
}

// edit changes the manifest of the entry of a kind, or takes the entry out.
func (l layoutDir) edit(kind any, change func(manifest document) (keep bool)) {
	name := filepath.Join(l.dir, "index.json")
	raw, err := os.ReadFile(name)
	l.ts.Check(err)
	index := l.parse(raw)
	entries := index["manifests"].([]any)
	i := slices.IndexFunc(entries, func(e any) bool {
		notes, _ := e.(document)["annotations"].(document)
		return notes["kind"] == kind
	})
	if i < 0 {
		l.ts.Fatalf("%s has no entry of the kind %v", l.dir, kind)
	}
	entry := entries[i].(document)
	manifest := l.parse(l.get(entry["digest"]))
	if change(manifest) {
		l.setJSON(entry, manifest)
	} else {
		index["manifests"] = slices.Delete(entries, i, i+1)
	}
	raw, err = json.Marshal(index)
	l.ts.Check(err)
	l.ts.Check(os.WriteFile(name, raw, 0o600))
}

func firstLayer(manifest document) document { return manifest["layers"].([]any)[0].(document) }

// tamper changes one thing of a layout such that every digest is right again.
func tamper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tamper LAYOUT WHAT")
	}
	l := layoutDir{ts, ts.MkAbs(args[0])}
	switch args[1] {
	case "manifest":
		l.edit(image.KindImage, func(m document) bool { m["annotations"] = document{"by": "mallory"}; return true })
	case "config", "entrypoint":
		field, value := "Env", "LD_PRELOAD=/tmp/backdoor.so"
		if args[1] == "entrypoint" {
			field, value = "Entrypoint", "/usr/bin/backdoor"
		}
		l.edit(image.KindImage, func(m document) bool {
			config := l.parse(l.get(m["config"].(document)["digest"]))
			config["config"].(document)[field] = []any{value}
			l.setJSON(m["config"].(document), config)
			return true
		})
	case "layer":
		l.edit(image.KindImage, l.addEntry)
	case "signature":
		l.edit(image.KindSignatures, func(m document) bool {
			notes := firstLayer(m)["annotations"].(document)
			notes[signatureNote] = otherSignature(ts, notes[signatureNote].(string))
			return true
		})
	case "attestation":
		l.edit(image.KindAttestations, func(m document) bool {
			env := l.parse(l.get(firstLayer(m)["digest"]))
			sig := env["signatures"].([]any)[0].(document)
			sig["sig"] = otherSignature(ts, sig["sig"].(string))
			l.setJSON(firstLayer(m), env)
			return true
		})
	case "predicate":
		l.edit(image.KindAttestations, func(m document) bool {
			env := l.parse(l.get(firstLayer(m)["digest"]))
			env["payload"] = otherLevel(ts, env["payload"].(string))
			l.setJSON(firstLayer(m), env)
			return true
		})
	case "no-signature":
		l.edit(image.KindSignatures, func(document) bool { return false })
	case "no-attestation":
		l.edit(image.KindAttestations, func(document) bool { return false })
	case "second-image":
		l.addImage()
	default:
		ts.Fatalf("cannot tamper with %q", args[1])
	}
}

// tamperSource changes a source such that every digest is right again, but it is
// no image that can be hardened.
func tamperSource(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tamper-source LAYOUT WHAT")
	}
	l := layoutDir{ts, ts.MkAbs(args[0])}
	l.edit(nil, func(m document) bool {
		config := l.parse(l.get(m["config"].(document)["digest"]))
		switch args[1] {
		case "size":
			firstLayer(m)["size"] = firstLayer(m)["size"].(float64) + 1
		case "diffid":
			config["rootfs"].(document)["diff_ids"].([]any)[0] = "sha256:" + strings.Repeat("1", 64)
		case "mediatype":
			firstLayer(m)["mediaType"] = "application/vnd.example.layer"
		case "encrypted":
			firstLayer(m)["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"
		case "windows":
			config["os"] = "windows"
		case "artifact":
			m["config"].(document)["mediaType"] = "application/vnd.example.config.v1+json"
		case "layercount":
			m["layers"] = m["layers"].([]any)[:1]
		default:
			ts.Fatalf("cannot tamper with %q", args[1])
		}
		l.setJSON(m["config"].(document), config)
		return true
	})
}

const signatureNote = "dev.cosignproject.cosign/signature"

// addEntry puts a backdoor into the first layer.
func (l layoutDir) addEntry(m document) bool {
	tarball, err := testimage.Tar("elf usr/bin/backdoor type=exec")
	l.ts.Check(err)
	blob, err := testimage.Gzip(tarball)
	l.ts.Check(err)
	desc := m["layers"].([]any)[0].(document)
	l.set(desc, blob)
	desc["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
	config := l.parse(l.get(m["config"].(document)["digest"]))
	config["rootfs"].(document)["diff_ids"].([]any)[0] = hashOf(tarball).String()
	l.setJSON(m["config"].(document), config)
	return true
}

// addImage puts an image of nobody's before the others, under the same tag.
func (l layoutDir) addImage() {
	name := filepath.Join(l.dir, "index.json")
	raw, err := os.ReadFile(name)
	l.ts.Check(err)
	index := l.parse(raw)
	entries := index["manifests"].([]any)
	first := entries[0].(document)
	manifest := l.parse(l.get(first["digest"]))
	manifest["annotations"] = document{"by": "mallory"}
	second := document{"mediaType": first["mediaType"], "annotations": document{"org.opencontainers.image.ref.name": "latest"}}
	l.setJSON(second, manifest)
	index["manifests"] = append([]any{second}, entries...)
	raw, err = json.Marshal(index)
	l.ts.Check(err)
	l.ts.Check(os.WriteFile(name, raw, 0o600))
}

// otherSignature changes a signature where it stays well-formed base64.
func otherSignature(ts *testscript.TestScript, text string) string {
	raw, err := base64.StdEncoding.DecodeString(text)
	ts.Check(err)
	raw[len(raw)-1] ^= 1
	return base64.StdEncoding.EncodeToString(raw)
}

func otherLevel(ts *testscript.TestScript, text string) string {
	raw, err := base64.StdEncoding.DecodeString(text)
	ts.Check(err)
	changed := strings.Replace(string(raw), `"level":"packages"`, `"level":"binaries"`, 1)
	if changed == string(raw) {
		ts.Fatalf("the predicate has no level: %s", raw)
	}
	return base64.StdEncoding.EncodeToString([]byte(changed))
}

// resign signs and attests a changed image with the right key.
func resign(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: resign LAYOUT KEY")
	}
	signer, err := sign.LoadSigner([]byte(ts.ReadFile(args[1])), []byte(testPassword))
	ts.Check(err)
	l := layoutDir{ts, ts.MkAbs(args[0])}
	ctx := context.Background()
	layout, err := image.ReadLayout(ctx, l.dir, image.Limits{})
	ts.Check(err)
	defer layout.Close()
	var predicate []byte
	var top image.LayoutEntry
	for _, e := range layout.Entries {
		switch e.Descriptor.Annotations[image.AnnotationKind] {
		case image.KindImage:
			top = e
		case image.KindAttestations:
			predicate = predicateOf(ts, e.Image)
		}
	}
	p, err := sign.ParsePredicate(predicate)
	ts.Check(err)
	p.Platforms[0].Image = top.Descriptor.Digest
	predicate, err = p.Marshal()
	ts.Check(err)
	subject := sign.Subject{Digest: top.Descriptor.Digest}
	sigs, _, err := signer.EnsureSignature(ctx, subject, nil, nil)
	ts.Check(err)
	atts, _, err := signer.EnsureAttestation(ctx, subject, sign.PredicateType, predicate, nil, nil)
	ts.Check(err)
	next := l.dir + ".next"
	ts.Check(image.WriteLayout(ctx, next, []image.Entry{
		{Image: top.Image, Annotations: top.Descriptor.Annotations},
		{Image: sigs, Annotations: sign.LayoutAnnotations(sign.KindSignatures)},
		{Image: atts, Annotations: sign.LayoutAnnotations(sign.KindAttestations)},
	}))
	ts.Check(os.RemoveAll(l.dir))
	ts.Check(os.Rename(next, l.dir))
}

func predicateOf(ts *testscript.TestScript, atts v1.Image) []byte {
	list, err := atts.Layers()
	ts.Check(err)
	rc, err := list[0].Compressed()
	ts.Check(err)
	defer rc.Close()
	var envelope struct{ Payload []byte }
	ts.Check(json.NewDecoder(rc).Decode(&envelope))
	var statement struct{ Predicate json.RawMessage }
	ts.Check(json.NewDecoder(bytes.NewReader(envelope.Payload)).Decode(&statement))
	return statement.Predicate
}
