package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// parseDocument runs what the loader runs on a manifest or index.
func parseDocument(raw []byte, said types.MediaType, limits Limits) error {
	doc, mt, err := readDocumentKind(raw, said)
	if err != nil {
		return err
	}
	if mt.IsIndex() {
		_, err = parseIndex(raw, limits)
	} else {
		_, err = parseManifest(raw, doc, limits, true)
	}
	return err
}

// goodManifest is a manifest that is accepted, for tests to spoil.
func goodManifest() string {
	desc := func(mt types.MediaType) string {
		return fmt.Sprintf(`{"mediaType":%q,"size":10,"digest":"sha256:%s"}`, mt, hexA)
	}
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`,
		types.OCIManifestSchema1, desc(types.OCIConfigJSON), desc(types.OCILayer))
}

func TestManifestRefusals(t *testing.T) {
	t.Parallel()
	good := goodManifest()
	replace := func(old, to string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the manifest has no %q", old)
		}
		return strings.Replace(good, old, to, 1)
	}
	layer := func(mt string) string { return replace(string(types.OCILayer), mt) }
	for _, tc := range []struct{ name, doc, said, want string }{
		{"good", good, "", ""},
		{"own type left out", replace(`"mediaType":"`+string(types.OCIManifestSchema1)+`",`, ""), "", ""},
		{"docker layer", layer(string(types.DockerLayer)), "", ""},
		{"docker raw layer", layer(string(types.DockerUncompressedLayer)), "", ""},
		{"zstd layer", layer(string(types.OCILayerZStd)), "", ""},
		{"unspecific content type", good, "text/plain", ""},
		{"both manifests and layers", replace(`"layers"`, `"manifests":[],"layers"`), "", "CVE-2021-41190"},
		{"type of an index", replace(string(types.OCIManifestSchema1), string(types.OCIImageIndex)), "", "ambiguous"},
		{"descriptor disagrees", good, string(types.DockerManifestSchema2), "disagrees"},
		{"type twice", replace(`"config"`, `"mediaType":"x","config"`), "", "twice"},
		{"layers twice in other case", replace(`"config"`, `"Layers":[],"config"`), "", "twice"},
		{"schema 1", `{"schemaVersion":1,"fsLayers":[]}`, "", "schema 1"},
		{"schema 1 by type", good, string(types.DockerManifestSchema1Signed), "disagrees"},
		{"schema 3", replace(`"schemaVersion":2`, `"schemaVersion":3`), "", "schemaVersion is 3"},
		{"nothing", `{"schemaVersion":2}`, "", "neither"},
		{"not an object", `[]`, "", "cannot unmarshal"},
		{"unknown type", replace(string(types.OCIManifestSchema1), "application/x"), "", `"application/x" is neither`},
		{"artifact type", replace(`"config"`, `"artifactType":"application/x","config"`), "", "artifact of type"},
		{"helm chart", replace(string(types.OCIConfigJSON), "application/vnd.cncf.helm.config.v1+json"), "", "helm.config"},
		{"foreign", layer(string(types.DockerForeignLayer)), "", "foreign"},
		{"nondistributable", layer(string(types.OCIRestrictedLayer)), "", "foreign"},
		{"encrypted", layer(string(types.OCILayer) + "+encrypted"), "", "encrypted"},
		{"unknown layer", layer("application/x"), "", "unknown media type"},
		{"negative size", replace(`"size":10`, `"size":-1`), "", "negative"},
		{"large config", replace(`"size":10`, `"size":999999999`), "", "over the limit"},
		{"digest in upper case", replace(hexA, strings.ToUpper(hexA)), "", "non-hex character"},
		{"sha512", replace("sha256:"+hexA, "sha512:"+hexA+hexA), "", "sha512"},
		{"path for a digest", replace("sha256:"+hexA, "sha256:../../etc/passwd"), "", "non-hex character"},
		{"inline data of other content", replace(`"size":10`, `"data":"e30=","size":10`), "", "inline data"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := parseDocument([]byte(tc.doc), types.MediaType(tc.said), DefaultLimits())
			if tc.want == "" && err != nil {
				t.Error(err)
			}
			if tc.want != "" {
				wantErr(t, err, tc.want)
			}
		})
	}
}

func TestManifestLimits(t *testing.T) {
	t.Parallel()
	limits := Limits{Layers: 2}.withDefaults()
	m := v1.Manifest{SchemaVersion: 2, Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: digestA}}
	for range 3 {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: types.OCILayer, Digest: digestA})
	}
	wantErr(t, parseDocument(mustJSON(t, m), "", limits), "3 layers", "limit of 2")

	limits = Limits{Manifests: 2}.withDefaults()
	im := v1.IndexManifest{SchemaVersion: 2}
	for range 3 {
		im.Manifests = append(im.Manifests, v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digestA})
	}
	wantErr(t, parseDocument(mustJSON(t, im), "", limits), "3 manifests", "limit of 2")
}

func TestParseConfig(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, doc string
		layers    int
		want      string
	}{
		{"good", `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["sha256:` + hexA + `"]}}`, 1, ""},
		{"no layers", `{"os":"linux","rootfs":{"type":"layers"}}`, 0, ""},
		{"too few diff IDs", `{"rootfs":{"diff_ids":[]}}`, 1, "1 layers but 0 diff IDs"},
		{"too many", `{"rootfs":{"diff_ids":["sha256:` + hexA + `"]}}`, 0, "0 layers but 1 diff IDs"},
		{"bad diff ID", `{"rootfs":{"diff_ids":["sha256:abc"]}}`, 1, "hex digits for sha256"},
		{"windows", `{"os":"windows","rootfs":{}}`, 0, "Windows"},
		{"duplicate", `{"os":"linux","os":"windows","rootfs":{}}`, 0, "twice"},
		{"not JSON", `<html>`, 0, "invalid character"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseConfig([]byte(tc.doc), tc.layers)
			if tc.want == "" && err != nil {
				t.Error(err)
			}
			if tc.want != "" {
				wantErr(t, err, tc.want)
			}
		})
	}
	if _, err := parseConfig([]byte(`{"os":"windows"}`), 0); !errors.Is(err, errWindows) {
		t.Errorf("got %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(goodManifest()))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"mediaType":"` + string(types.OCIManifestSchema1) + `","size":1,"digest":"sha256:` + hexA + `","platform":{"os":"linux"}}]}`))
	f.Add([]byte(`{"schemaVersion":1,"fsLayers":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if parseDocument(raw, "", DefaultLimits()) != nil {
			return
		}
		// What is accepted means the same to a reader that looks at one side only.
		var both struct {
			Manifests, Layers, Config json.RawMessage
		}
		if err := json.Unmarshal(raw, &both); err != nil {
			t.Fatal(err)
		}
		if both.Manifests != nil && (both.Layers != nil || both.Config != nil) {
			t.Errorf("accepted an ambiguous document: %q", raw)
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:`+hexA+`"]}}`), 1)
	f.Add([]byte(`{"os":"windows"}`), 0)
	f.Fuzz(func(t *testing.T, raw []byte, layers int) {
		cfg, err := parseConfig(raw, layers)
		if err == nil && len(cfg.RootFS.DiffIDs) != layers {
			t.Errorf("accepted %d diff IDs for %d layers", len(cfg.RootFS.DiffIDs), layers)
		}
	})
}
