package debimage

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// layerWriter writes an archive under a temporary name, gzipped where its name
// ends in .gz.
type layerWriter struct {
	file *os.File
	gzip *gzip.Writer // may be nil
	tar  *tar.Writer
}

func newLayerWriter(name string) (*layerWriter, error) {
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("creating a layer: %w", err)
	}
	if !strings.HasSuffix(name, ".gz") {
		return &layerWriter{file: file, tar: tar.NewWriter(file)}, nil
	}
	zip := gzip.NewWriter(file)
	return &layerWriter{file: file, gzip: zip, tar: tar.NewWriter(zip)}, nil
}

// finish completes the layer and gives it its name; after an error it removes
// what there is.
func (w *layerWriter) finish(name string, err error) error {
	if err == nil {
		err = w.tar.Close()
	}
	if err == nil && w.gzip != nil {
		err = w.gzip.Close()
	}
	if err = errors.Join(err, w.file.Close()); err == nil {
		err = os.Rename(w.file.Name(), name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the layer %s: %w", name, err), os.Remove(w.file.Name()))
	}
	return nil
}

// put adds an entry.
func (w *layerWriter) put(h *tar.Header, data io.Reader) error {
	header := *h
	if header.Typeflag == tar.TypeDir {
		header.Name += "/"
	}
	if err := w.tar.WriteHeader(&header); err != nil {
		return fmt.Errorf("adding %s: %w", h.Name, err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	if _, err := io.Copy(w.tar, data); err != nil {
		return fmt.Errorf("adding %s: %w", h.Name, err)
	}
	return nil
}

// writeBase writes all of an archive that belongs in an image.
func writeBase(ctx context.Context, archive, layer string) error {
	w, err := newLayerWriter(layer)
	if err != nil {
		return err
	}
	return w.finish(layer, readArchive(ctx, archive, w.put))
}

// writeDifference writes what the archive upper has and lower has not, both
// archives in the order of mmdebstrap: sorted, targets before hard links.
func writeDifference(ctx context.Context, lower, upper, layer string, epoch time.Time) error {
	before, err := list(ctx, lower)
	if err != nil {
		return err
	}
	after, err := list(ctx, upper)
	if err != nil {
		return err
	}
	entries, gone := difference(before, after)
	want := make(map[string]bool, len(entries))
	for _, name := range entries {
		want[name] = true
	}
	w, err := newLayerWriter(layer)
	if err != nil {
		return err
	}
	return w.finish(layer, func() error {
		for _, name := range gone {
			white := &tar.Header{
				Typeflag: tar.TypeReg, Mode: 0o644, ModTime: epoch,
				Name: path.Join(path.Dir(name), ".wh."+path.Base(name)),
			}
			if err := w.put(white, strings.NewReader("")); err != nil {
				return err
			}
		}
		return readArchive(ctx, upper, func(h *tar.Header, data io.Reader) error {
			if !want[h.Name] {
				return nil
			}
			return w.put(h, data)
		})
	}())
}

// writeFiles writes the files of root as a layer owned by root. Modes are 0755
// for directories and executables and 0644 else: a checkout keeps no more.
func writeFiles(root fs.FS, layer string, epoch time.Time) error {
	w, err := newLayerWriter(layer)
	if err != nil {
		return err
	}
	return w.finish(layer, fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("adding %s: %w", name, err)
		}
		header := &tar.Header{Name: name, Mode: 0o755, ModTime: epoch}
		switch {
		case d.IsDir():
			header.Typeflag = tar.TypeDir
			return w.put(header, nil)
		case !d.Type().IsRegular():
			return fmt.Errorf("adding %s: want a file or a directory", name)
		}
		if info.Mode()&0o111 == 0 {
			header.Mode = 0o644
		}
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return fmt.Errorf("adding %s: %w", name, err)
		}
		header.Typeflag, header.Size = tar.TypeReg, int64(len(data))
		return w.put(header, bytes.NewReader(data))
	}))
}
