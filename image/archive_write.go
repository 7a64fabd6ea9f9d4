package image

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// WriteDockerArchive writes img to a new file that docker load understands,
// under the given "name:tag" or without a name. Layers are stored as they are,
// but for zstd ones, which docker before version 23 cannot load: they are stored
// uncompressed. The file is one that StageFile made room for: a failure leaves a
// part of it.
func WriteDockerArchive(ctx context.Context, file, tag string, img v1.Image) error {
	if err := checkArchiveTag(tag); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("writing docker archive %s: %w", file, err)
	}
	buf := bufio.NewWriterSize(f, 1<<20)
	err = writeArchive(ctx, buf, tag, img)
	if err == nil {
		err = buf.Flush()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing docker archive %s: %w", file, err)
	}
	return nil
}

func checkArchiveTag(tag string) error {
	if tag == "" {
		return nil
	}
	if _, err := dockerTag(tag); err != nil {
		return fmt.Errorf("image name %q: %w", tag, err)
	}
	return nil
}

// writeArchive writes a docker archive: the same bytes for the same image.
func writeArchive(ctx context.Context, w io.Writer, tag string, img v1.Image) error {
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	if len(layers) != len(m.Layers) {
		return fmt.Errorf("the image has %d layers, its manifest %d", len(layers), len(m.Layers))
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	out := archiveWriter{tw: tar.NewWriter(w), seen: map[v1.Hash]bool{}}
	line := archiveImage{Config: archiveName(m.Config), Layers: []string{}}
	if tag != "" {
		line.RepoTags = []string{tag}
	}
	if err := out.blob(ctx, m.Config, openBytes(config)); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	for i, l := range layers {
		d, err := out.layer(ctx, m.Layers[i], l)
		if err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
		line.Layers = append(line.Layers, archiveName(d))
	}
	raw, err := json.Marshal([]archiveImage{line})
	if err != nil {
		return err
	}
	if err := out.file(archiveManifest, raw); err != nil {
		return err
	}
	return out.tw.Close()
}

// archiveName is the name that current docker gives a blob in an archive.
func archiveName(d v1.Descriptor) string { return path.Join(blobsDir, d.Digest.Hex) }

// archiveWriter writes the members of a docker archive.
type archiveWriter struct {
	tw   *tar.Writer
	seen map[v1.Hash]bool
}

func (a archiveWriter) header(name string, size int64) error {
	return a.tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644})
}

func (a archiveWriter) file(name string, data []byte) error {
	if err := a.header(name, int64(len(data))); err != nil {
		return err
	}
	_, err := a.tw.Write(data)
	return err
}

// layer writes a layer in a form that every docker can load and returns the
// descriptor of what was written.
func (a archiveWriter) layer(ctx context.Context, d v1.Descriptor, l v1.Layer) (v1.Descriptor, error) {
	kind, err := layerCompression(d.MediaType)
	if err != nil {
		return d, err
	}
	if kind != zstandard {
		return d, a.blob(ctx, d, l.Compressed)
	}
	if d, err = rawDescriptor(ctx, l); err != nil {
		return d, err
	}
	return d, a.blob(ctx, d, l.Uncompressed)
}

// rawDescriptor describes the content of a compressed layer. Its size has to
// be known before it is written, so it is read once for that.
func rawDescriptor(ctx context.Context, l v1.Layer) (d v1.Descriptor, err error) {
	if d.Digest, err = l.DiffID(); err != nil {
		return d, err
	}
	r, err := l.Uncompressed()
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	d.Size, err = io.Copy(io.Discard, withContext(ctx, r))
	return d, err
}

// blob writes a blob once, verified.
func (a archiveWriter) blob(ctx context.Context, d v1.Descriptor, open func() (io.ReadCloser, error)) (err error) {
	if a.seen[d.Digest] {
		return nil
	}
	a.seen[d.Digest] = true
	if err := checkDescriptor(d, d.Size); err != nil {
		return err
	}
	r, err := open()
	if err != nil {
		return err
	}
	v := verified(r, d.Digest, d.Size)
	defer func() { err = errors.Join(err, v.Close()) }()
	if err := a.header(archiveName(d), d.Size); err != nil {
		return err
	}
	_, err = io.Copy(a.tw, withContext(ctx, v))
	return err
}
