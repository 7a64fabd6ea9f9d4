package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// document holds the fields by which manifests, indexes and schema 1 manifests
// are told apart.
type document struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType"`
	ArtifactType  string          `json:"artifactType"`
	Config        json.RawMessage `json:"config"`
	Layers        json.RawMessage `json:"layers"`
	Manifests     json.RawMessage `json:"manifests"`
	FSLayers      json.RawMessage `json:"fsLayers"`
}

// readDocumentKind checks that raw is one unambiguous document and returns its
// media type. want is what the descriptor or the Content-Type said; it may be
// empty or unspecific when nobody said anything.
func readDocumentKind(raw []byte, want types.MediaType) (document, types.MediaType, error) {
	var doc document
	if err := checkJSON(raw); err != nil {
		return doc, "", err
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return doc, "", err
	}
	isIndex, isManifest := len(doc.Manifests) > 0, len(doc.Layers) > 0 || len(doc.Config) > 0
	switch {
	case len(doc.FSLayers) > 0 || doc.SchemaVersion == 1:
		return doc, "", errors.New("docker schema 1 manifest; push the image again with a current tool")
	case isIndex && isManifest:
		return doc, "", errors.New(`ambiguous document: both "manifests" and "config" or "layers" (CVE-2021-41190)`)
	case !isIndex && !isManifest:
		return doc, "", errors.New("neither an image manifest nor an index")
	case doc.SchemaVersion != 2:
		return doc, "", fmt.Errorf("schemaVersion is %d, not 2", doc.SchemaVersion)
	}
	mt, err := documentType(doc.MediaType, want, isIndex)
	if err != nil {
		return doc, "", err
	}
	if err := checkManifestType(mt); err != nil {
		return doc, "", err
	}
	if mt.IsIndex() != isIndex {
		return doc, "", fmt.Errorf("ambiguous document: media type %q does not fit its content", string(mt))
	}
	return doc, mt, nil
}

// documentType settles the media type between the document itself and what was
// said about it. An OCI document may leave its own out.
func documentType(own, said types.MediaType, isIndex bool) (types.MediaType, error) {
	if !said.IsImage() && !said.IsIndex() && !said.IsSchema1() {
		said = "" // application/json, text/plain or nothing: no statement
	}
	switch {
	case own != "" && said != "" && own != said:
		return "", fmt.Errorf("mediaType %q disagrees with its descriptor's %q", string(own), string(said))
	case own != "":
		return own, nil
	case said != "":
		return said, nil
	case isIndex:
		return types.OCIImageIndex, nil
	default:
		return types.OCIManifestSchema1, nil
	}
}

// parseManifest decodes an image manifest. With images set it must be one that
// lathe can work on: a config of an image, and layers of known types.
func parseManifest(raw []byte, doc document, limits Limits, images bool) (*v1.Manifest, error) {
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	if images && doc.ArtifactType != "" {
		return nil, fmt.Errorf("an artifact of type %q, not an image", doc.ArtifactType)
	}
	if images && !m.Config.MediaType.IsConfig() {
		return nil, fmt.Errorf("an artifact (config is %q), not an image", string(m.Config.MediaType))
	}
	if err := checkDescriptor(m.Config, limits.DocumentBytes); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if len(m.Layers) > limits.Layers {
		return nil, fmt.Errorf("%d layers are over the limit of %d", len(m.Layers), limits.Layers)
	}
	for i, l := range m.Layers {
		if err := checkDescriptor(l, limits.LayerBytes); err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
		if !images {
			continue
		}
		if _, err := layerCompression(l.MediaType); err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
	}
	return &m, nil
}

// parseIndex decodes an index and checks the descriptors of its members.
func parseIndex(raw []byte, limits Limits) (*v1.IndexManifest, error) {
	var im v1.IndexManifest
	if err := json.Unmarshal(raw, &im); err != nil {
		return nil, err
	}
	if len(im.Manifests) > limits.Manifests {
		return nil, fmt.Errorf("%d manifests are over the limit of %d", len(im.Manifests), limits.Manifests)
	}
	for i, d := range im.Manifests {
		if err := checkDescriptor(d, limits.DocumentBytes); err != nil {
			return nil, fmt.Errorf("manifest %d: %w", i, err)
		}
	}
	return &im, nil
}

// checkDescriptor checks digest, size and inline data.
func checkDescriptor(d v1.Descriptor, limit int64) error {
	if err := checkDigest(d.Digest); err != nil {
		return err
	}
	if d.Size < 0 {
		return fmt.Errorf("%s has the negative size %d", d.Digest, d.Size)
	}
	if d.Size > limit {
		return fmt.Errorf("%s has %d bytes, over the limit of %d", d.Digest, d.Size, limit)
	}
	if len(d.Data) > 0 && (int64(len(d.Data)) != d.Size || digestOf(d.Data) != d.Digest) {
		return fmt.Errorf("%s: inline data has another digest", d.Digest)
	}
	return nil
}

// parseConfig decodes an image's config and checks it against its manifest.
func parseConfig(raw []byte, layers int) (*v1.ConfigFile, error) {
	if err := checkJSON(raw); err != nil {
		return nil, err
	}
	cfg, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if cfg.OS == "windows" {
		return nil, errWindows
	}
	if got := len(cfg.RootFS.DiffIDs); got != layers {
		return nil, fmt.Errorf("%d layers but %d diff IDs", layers, got)
	}
	for i, h := range cfg.RootFS.DiffIDs {
		if err := checkDigest(h); err != nil {
			return nil, fmt.Errorf("diff ID %d: %w", i, err)
		}
	}
	return cfg, nil
}

var errWindows = errors.New("a Windows image; lathe hardens Linux images")
