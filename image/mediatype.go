package image

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Media types that go-containerregistry has no name for.
const (
	dockerZstdLayer types.MediaType = "application/vnd.docker.image.rootfs.diff.tar.zstd"
	// MediaTypeEmpty is the config of an artifact that needs none, "{}"
	// (image-spec v1.1, "guidance for an empty descriptor").
	MediaTypeEmpty types.MediaType = "application/vnd.oci.empty.v1+json"
)

// codec is how a layer is stored.
type codec int

const (
	uncompressed codec = iota
	gzipped
	zstandard
)

// layerCompression returns how a layer of an image is stored, or why lathe
// cannot work on it.
func layerCompression(mt types.MediaType) (codec, error) {
	switch mt {
	case types.OCIUncompressedLayer, types.DockerUncompressedLayer:
		return uncompressed, nil
	case types.OCILayer, types.DockerLayer:
		return gzipped, nil
	case types.OCILayerZStd, dockerZstdLayer:
		return zstandard, nil
	default:
		return 0, unsupportedLayer(string(mt))
	}
}

func unsupportedLayer(s string) error {
	switch {
	case strings.HasSuffix(s, "+encrypted"):
		return fmt.Errorf("layer is encrypted (%q); decrypt the image first", s)
	case strings.Contains(s, "nondistributable"), strings.Contains(s, ".foreign."):
		return fmt.Errorf("layer is foreign (%q): its content is not in the image and lathe fetches nothing by url", s)
	default:
		return fmt.Errorf("layer has unknown media type %q", s)
	}
}

// checkManifestType refuses what is neither an image manifest nor an index.
func checkManifestType(mt types.MediaType) error {
	switch {
	case mt.IsImage(), mt.IsIndex():
		return nil
	case mt.IsSchema1():
		return errors.New("docker schema 1 manifest; push the image again with a current tool")
	default:
		return fmt.Errorf("media type %q is neither an image manifest nor an index", string(mt))
	}
}
