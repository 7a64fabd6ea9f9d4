package debimage

import (
	"errors"
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// Tag is the reference name of the image in the layouts that [WriteLayout]
// writes.
const Tag = "latest"

// WriteLayout writes img as an OCI image layout in place of what dir holds.
func WriteLayout(img v1.Image, dir string) (err error) {
	temp := dir + ".new"
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if err := os.RemoveAll(temp); err != nil {
		return fmt.Errorf("clearing %s: %w", temp, err)
	}
	target, err := layout.Write(temp, empty.Index)
	if err != nil {
		return fmt.Errorf("writing the layout %s: %w", dir, err)
	}
	name := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": Tag})
	if err := target.AppendImage(img, name); err != nil {
		return fmt.Errorf("writing the layout %s: %w", dir, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("replacing %s: %w", dir, err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return fmt.Errorf("replacing %s: %w", dir, err)
	}
	return nil
}
