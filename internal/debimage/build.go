package debimage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Epoch is the time of all that an image gets, unless a caller wants another.
const Epoch = 1735689600 // 2025-01-01

// format goes into the names of what is cached: it changes with the code that
// writes it.
const format = "2"

// Builder builds images from recipes.
type Builder struct {
	Cache string       // directory for layers that can be used again
	Epoch time.Time    // default: the constant Epoch
	Note  func(string) // told what takes a while; may be nil

	// AlpineRoot is a minirootfs archive (.tar.gz). Where it is "", Alpine
	// recipes get the stand-in.
	AlpineRoot string

	// Host is the root filesystem of the host, for its apt sources.
	// Default: os.DirFS("/").
	Host fs.FS
}

// layer is a finished layer in the cache and the history entry to go with it.
type layer struct {
	file, createdBy string
}

// Build builds the image of a recipe in the directory dir. Where the host lacks
// a program, the error says what to install.
func (b Builder) Build(ctx context.Context, dir string, r Recipe) (v1.Image, error) {
	if b.Epoch.IsZero() {
		b.Epoch = time.Unix(Epoch, 0).UTC()
	}
	if b.Host == nil {
		b.Host = os.DirFS("/")
	}
	if err := r.validate(); err != nil {
		return nil, err
	}
	cache, err := filepath.Abs(b.Cache)
	if err != nil {
		return nil, fmt.Errorf("finding the cache: %w", err)
	}
	b.Cache = cache
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return nil, fmt.Errorf("creating the cache: %w", err)
	}
	layers, err := b.baseLayers(ctx, r)
	if err != nil {
		return nil, err
	}
	own, err := b.ownLayers(ctx, dir, r)
	if err != nil {
		return nil, err
	}
	return b.assemble(append(layers, own...), r.Config)
}

// baseLayers returns the layers of the base and of the packages.
func (b Builder) baseLayers(ctx context.Context, r Recipe) ([]layer, error) {
	if r.Base == BaseDebian {
		return b.debianLayers(ctx, r)
	}
	name := "alpine-stand-in"
	if b.AlpineRoot != "" {
		name = strings.TrimSuffix(filepath.Base(b.AlpineRoot), ".tar.gz")
	}
	out := layer{filepath.Join(b.Cache, name+".layer.tar.gz"), "ADD " + name + " /"}
	if b.AlpineRoot != "" {
		return []layer{out}, writeBase(ctx, b.AlpineRoot, out.file)
	}
	return []layer{out}, b.writeStandIn(ctx, out.file)
}

// debianLayers bootstraps what the cache does not have.
func (b Builder) debianLayers(ctx context.Context, r Recipe) ([]layer, error) {
	suite, sources, err := b.release(r.Suite)
	if err != nil {
		return nil, err
	}
	start := bootstrap{variant: "minbase", suite: suite, sources: sources, epoch: b.Epoch}
	baseTar := b.cached("debian-base", start)
	base := layer{strings.TrimSuffix(baseTar, ".tar") + ".layer.tar.gz", "mmdebstrap --variant=minbase " + suite}
	if !exists(baseTar) {
		b.note("bootstrapping %s (once; takes about half a minute)", suite)
		if err := start.runClean(ctx, baseTar); err != nil {
			return nil, err
		}
	}
	if !exists(base.file) {
		if err := writeBase(ctx, baseTar, base.file); err != nil {
			return nil, err
		}
	}
	if len(r.Packages) == 0 {
		return []layer{base}, nil
	}
	more := bootstrap{
		variant: "custom", under: baseTar, suite: suite, sources: sources,
		include: r.Packages, locales: r.Locales, epoch: b.Epoch,
	}
	fullTar := b.cached("debian-packages", more)
	added := layer{
		strings.TrimSuffix(fullTar, ".tar") + ".layer.tar.gz",
		"apt-get install --no-install-recommends " + strings.Join(r.Packages, " "),
	}
	if exists(added.file) {
		return []layer{base, added}, nil
	}
	b.note("installing %s (once)", strings.Join(r.Packages, " "))
	if err := more.run(ctx, fullTar); err != nil {
		return nil, err
	}
	if err := writeDifference(ctx, baseTar, fullTar, added.file, b.Epoch); err != nil {
		return nil, err
	}
	if err := os.Remove(fullTar); err != nil {
		return nil, fmt.Errorf("removing an archive that is no longer needed: %w", err)
	}
	return []layer{base, added}, nil
}

// release returns the suite to install and the sources for it: the host's own
// for the host's release, mmdebstrap's defaults for another one.
func (b Builder) release(suite string) (string, []source, error) {
	host, err := hostRelease(b.Host)
	if err != nil {
		return "", nil, err
	}
	if suite == "" {
		suite = host
	}
	if suite == "" {
		return "", nil, errors.New("the host is neither Debian nor Ubuntu: the recipe must name a suite")
	}
	if suite != host {
		return suite, nil, nil
	}
	sources, err := hostSources(b.Host, suite)
	return suite, sources, err
}

// cached names the archive of a bootstrap in the cache.
func (b Builder) cached(name string, s bootstrap) string {
	sum := sha256.Sum256([]byte(strings.Join(s.args(""), "\x00") + s.epoch.String() + format))
	return filepath.Join(b.Cache, name+"-"+hex.EncodeToString(sum[:6])+".tar")
}

// ownLayers makes the layers of the program and of the files of a recipe.
func (b Builder) ownLayers(ctx context.Context, dir string, r Recipe) ([]layer, error) {
	var out []layer
	if r.Program != "" {
		l := layer{filepath.Join(b.Cache, r.Name+"-program.layer.tar.gz"), "COPY program " + r.Target}
		if err := b.writeProgram(ctx, dir, r, l.file); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	if r.Root != "" {
		l := layer{filepath.Join(b.Cache, r.Name+"-files.layer.tar.gz"), "COPY " + r.Root + " /"}
		if err := writeFiles(os.DirFS(filepath.Join(dir, r.Root)), l.file, b.Epoch); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// writeProgram builds the recipe's program and writes its layer.
func (b Builder) writeProgram(ctx context.Context, dir string, r Recipe, to string) (err error) {
	temp, err := os.MkdirTemp(b.Cache, "program-*")
	if err != nil {
		return fmt.Errorf("building %s: %w", r.Program, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	target := strings.TrimPrefix(path.Clean(r.Target), "/")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=",
		"-o", filepath.Join(temp, filepath.FromSlash(target)), "./"+r.Program)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", r.Program, err, tail(string(output), 15))
	}
	return writeFiles(os.DirFS(temp), to, b.Epoch)
}

// assemble makes an OCI image of the layers.
func (b Builder) assemble(layers []layer, config v1.Config) (v1.Image, error) {
	created := v1.Time{Time: b.Epoch}
	adds := make([]mutate.Addendum, 0, len(layers))
	for _, l := range layers {
		data, err := tarball.LayerFromFile(l.file, tarball.WithMediaType(types.OCILayer))
		if err != nil {
			return nil, fmt.Errorf("reading the layer %s: %w", l.file, err)
		}
		adds = append(adds, mutate.Addendum{Layer: data, History: v1.History{Created: created, CreatedBy: l.createdBy}})
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(img, adds...)
	if err != nil {
		return nil, fmt.Errorf("assembling the image: %w", err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("assembling the image: %w", err)
	}
	file = file.DeepCopy()
	file.Architecture, file.OS, file.Created, file.Config = runtime.GOARCH, "linux", created, config
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return nil, fmt.Errorf("assembling the image: %w", err)
	}
	return img, nil
}

// note tells the caller what is going on.
func (b Builder) note(format string, args ...any) {
	if b.Note != nil {
		b.Note(fmt.Sprintf(format, args...))
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
