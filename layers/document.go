package layers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// MaxDocument is the size limit of a manifest or config, as registries and
// engines have it.
const MaxDocument = 4 << 20

const dockerUncompressed = types.DockerUncompressedLayer

// document is an image's manifest and config as they came.
type document struct {
	manifest    *object
	config      *object
	rawConfig   []byte
	descriptors []*object
}

func readDocument(img v1.Image) (*document, *v1.ConfigFile, error) {
	rawManifest, err := img.RawManifest()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the image's manifest: %w", err)
	}
	rawConfig, err := img.RawConfigFile()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the image's config: %w", err)
	}
	if len(rawManifest) > MaxDocument || len(rawConfig) > MaxDocument {
		return nil, nil, fmt.Errorf("the image's manifest or config is over %d bytes", MaxDocument)
	}
	d := &document{rawConfig: rawConfig}
	if d.manifest, err = parseObject(rawManifest); err != nil {
		return nil, nil, fmt.Errorf("the image's manifest: %w", err)
	}
	if d.config, err = parseConfig(rawConfig); err != nil {
		return nil, nil, fmt.Errorf("the image's config: %w", err)
	}
	if err := unambiguous(rawManifest); err != nil {
		return nil, nil, fmt.Errorf("the image's manifest: %w", err)
	}
	if raw, ok := d.manifest.get("layers"); ok {
		list, err := array(raw)
		if err != nil {
			return nil, nil, fmt.Errorf("the manifest's layers: %w", err)
		}
		for i, el := range list {
			desc, err := parseObject(el)
			if err != nil {
				return nil, nil, fmt.Errorf("the manifest's layer %d: %w", i, err)
			}
			d.descriptors = append(d.descriptors, desc)
		}
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(rawConfig))
	if err != nil {
		return nil, nil, fmt.Errorf("the image's config: %w", err)
	}
	if n := len(config.RootFS.DiffIDs); n != len(d.descriptors) {
		return nil, nil, fmt.Errorf("the manifest has %d layers, the config %d diff IDs", len(d.descriptors), n)
	}
	if config.OS != "" && config.OS != "linux" {
		return nil, nil, fmt.Errorf("the image is for %q: only linux images can be hardened", config.OS)
	}
	return d, config, nil
}

// parseConfig reads an image's config, in which nothing may be said twice.
func parseConfig(raw []byte) (*object, error) {
	config, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	if err := unambiguous(raw); err != nil {
		return nil, err
	}
	if run, ok := config.get("config"); ok && string(run) != "null" {
		if _, err := parseObject(run); err != nil {
			return nil, fmt.Errorf("its member config: %w", err)
		}
	}
	return config, nil
}

// image makes the output: the input's config and manifest with the layers that
// changed, in OCI media types. Members that nobody here knows stay.
func (d *document) image(out []*outLayer, annotations map[string]string) (v1.Image, error) {
	rawConfig, err := d.newConfig(out)
	if err != nil {
		return nil, fmt.Errorf("writing the config: %w", err)
	}
	rawManifest, err := d.newManifest(out, rawConfig, annotations)
	if err != nil {
		return nil, fmt.Errorf("writing the manifest: %w", err)
	}
	return newOutImage(rawManifest, rawConfig, out)
}

// newConfig changes diff IDs and, for layers that are gone, history.
func (d *document) newConfig(out []*outLayer) ([]byte, error) {
	config := &object{members: append([]member(nil), d.config.members...)}
	rawRoot, _ := config.get("rootfs")
	rootfs, err := parseObject(rawRoot)
	if err != nil {
		return nil, err
	}
	diffIDs := []string{}
	changed := false
	for _, l := range out {
		changed = changed || l.removed || l.rewritten
		if !l.removed {
			diffIDs = append(diffIDs, l.diffID.String())
		}
	}
	if !changed {
		return d.rawConfig, nil
	}
	if err := rootfs.set("diff_ids", diffIDs); err != nil {
		return nil, err
	}
	if err := config.set("rootfs", rootfs); err != nil {
		return nil, err
	}
	if err := setHistory(config, out); err != nil {
		return nil, err
	}
	return config.bytes(), nil
}

// setHistory marks the history entries of removed layers as empty. A history
// that does not match the layers is left alone: nobody can tell what is whose.
func setHistory(config *object, out []*outLayer) error {
	raw, ok := config.get("history")
	if !ok || string(raw) == "null" {
		return nil
	}
	list, err := array(raw)
	if err != nil {
		return err
	}
	entries := make([]*object, len(list))
	var filled []int
	for i, el := range list {
		if entries[i], err = parseObject(el); err != nil {
			return err
		}
		if empty, ok := entries[i].get("empty_layer"); !ok || string(empty) != "true" {
			filled = append(filled, i)
		}
	}
	if len(filled) != len(out) {
		return nil
	}
	for i, l := range out {
		if !l.removed {
			continue
		}
		if err := entries[filled[i]].set("empty_layer", true); err != nil {
			return err
		}
		list[filled[i]] = entries[filled[i]].bytes()
	}
	return config.set("history", list)
}

// newManifest changes media types, the config's descriptor and the layers.
func (d *document) newManifest(out []*outLayer, rawConfig []byte, annotations map[string]string) ([]byte, error) {
	manifest := &object{members: append([]member(nil), d.manifest.members...)}
	rawDesc, ok := manifest.get("config")
	if !ok {
		return nil, fmt.Errorf("the manifest names no config")
	}
	desc, err := parseObject(rawDesc)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(rawConfig)
	desc.remove("data")
	err = setAll(desc, "mediaType", types.OCIConfigJSON, "size", len(rawConfig), "digest", "sha256:"+hex.EncodeToString(sum[:]))
	if err != nil {
		return nil, err
	}
	list := []json.RawMessage{}
	for i, l := range out {
		if l.removed {
			continue
		}
		raw, err := newDescriptor(d.descriptors[i], l)
		if err != nil {
			return nil, err
		}
		list = append(list, raw)
	}
	notes := map[string]string{}
	if raw, ok := manifest.get("annotations"); ok {
		if err := json.Unmarshal(raw, &notes); err != nil {
			return nil, fmt.Errorf("the manifest's annotations: %w", err)
		}
	}
	if notes == nil {
		notes = map[string]string{}
	}
	maps.Copy(notes, annotations)
	manifest.remove("subject") // the source's subject is not ours to claim
	if err := setAll(manifest, "schemaVersion", 2, "mediaType", types.OCIManifestSchema1, "config", desc, "layers", list); err != nil {
		return nil, err
	}
	if len(notes) > 0 {
		if err := manifest.set("annotations", notes); err != nil {
			return nil, err
		}
	}
	return manifest.bytes(), nil
}

func setAll(o *object, pairs ...any) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		key, _ := pairs[i].(string)
		if err := o.set(key, pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// newDescriptor keeps a layer's descriptor but for the media type; of a layer
// that was written anew also digest and size, and without the annotations that
// describe the old bytes (eStargz and zstd:chunked tables of contents).
func newDescriptor(old *object, l *outLayer) (json.RawMessage, error) {
	desc := &object{members: append([]member(nil), old.members...)}
	if err := desc.set("mediaType", l.mediaType()); err != nil {
		return nil, err
	}
	if l.source == nil || l.digest == l.source.digest {
		return desc.bytes(), nil
	}
	desc.remove("data")
	desc.remove("urls")
	if err := setAll(desc, "digest", l.digest.String(), "size", l.size); err != nil {
		return nil, err
	}
	raw, ok := desc.get("annotations")
	if !ok {
		return desc.bytes(), nil
	}
	notes := map[string]string{}
	if err := json.Unmarshal(raw, &notes); err != nil {
		return nil, fmt.Errorf("a layer's annotations: %w", err)
	}
	maps.DeleteFunc(notes, func(k, _ string) bool {
		return strings.HasPrefix(k, "containerd.io/snapshot/") || strings.HasPrefix(k, "io.github.containers.zstd-chunked.") ||
			strings.HasPrefix(k, "io.containers.zstd-chunked.") || strings.HasPrefix(k, "io.containers.estargz.")
	})
	if len(notes) == 0 {
		desc.remove("annotations")
		return desc.bytes(), nil
	}
	if err := desc.set("annotations", notes); err != nil {
		return nil, err
	}
	return desc.bytes(), nil
}
