package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// mounts are the files of the network, the volumes of the image and what the
// options ask for.
func (c *Container) mounts(ctx context.Context, s *Store, o Options, hostname string) ([]specs.Mount, error) {
	host, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the host's resolver: %w", err)
	}
	own := o.Network.Mode == "" || o.Network.Mode == NetworkNAT || o.Network.Mode == NetworkNone
	var list []specs.Mount
	for _, f := range []struct{ at, content string }{
		{"/etc/hosts", hosts(o, hostname)},
		{"/etc/hostname", hostname + "\n"},
		{"/etc/resolv.conf", resolvConf(string(host), own)},
	} {
		name := filepath.Join(c.bundle, path.Base(f.at))
		if err := os.WriteFile(name, []byte(f.content), 0o644); err != nil { //nolint:gosec // the container's user reads it
			return nil, err
		}
		list = append(list, bind(name, f.at, false))
	}
	asked := map[string]bool{}
	for _, m := range o.Mounts {
		asked[path.Clean(m.Target)] = true
	}
	for _, at := range slices.Sorted(maps.Keys(c.box.config.Volumes)) {
		if target := path.Join("/", at); target != "/" && !asked[target] {
			m, err := c.volume(ctx, s, o, Mount{Type: MountVolume, Target: target})
			if err != nil {
				return nil, err
			}
			list = append(list, m)
		}
	}
	for _, m := range o.Mounts {
		made, err := c.mount(ctx, s, o, m)
		if err != nil {
			return nil, err
		}
		list = append(list, made)
	}
	return list, nil
}

func bind(source, target string, readOnly bool) specs.Mount {
	options := []string{"rbind", "rprivate"}
	if readOnly {
		options = append(options, "ro")
	}
	return specs.Mount{Destination: target, Type: "bind", Source: source, Options: options}
}

func (c *Container) mount(ctx context.Context, s *Store, o Options, m Mount) (specs.Mount, error) {
	switch m.Type {
	case MountTmpfs:
		options := []string{"nosuid", "nodev", "noexec", "mode=1777"}
		if m.ReadOnly {
			options = append(options, "ro")
		}
		return specs.Mount{Destination: m.Target, Type: "tmpfs", Source: "tmpfs", Options: options}, nil
	case MountBind:
		if _, err := os.Stat(m.Source); err != nil {
			return specs.Mount{}, fmt.Errorf("mounting %s: %w", m.Source, err)
		}
		return bind(m.Source, m.Target, m.ReadOnly), nil
	case MountVolume:
	}
	return c.volume(ctx, s, o, m)
}

// volume is a directory of the store. A new one gets what the image has at its
// place, owner and mode included, as docker does it.
func (c *Container) volume(ctx context.Context, s *Store, o Options, m Mount) (specs.Mount, error) {
	sum := sha256.Sum256([]byte(m.Source + "\x00" + path.Clean(m.Target)))
	if m.Source != "" { // the same volume wherever it is mounted
		sum = sha256.Sum256([]byte(m.Source))
	}
	dir := filepath.Join(s.volumes(), hex.EncodeToString(sum[:8]))
	if _, err := os.Lstat(dir); err == nil {
		return bind(dir, m.Target, m.ReadOnly), nil
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return specs.Mount{}, fmt.Errorf("making the volume %s: %w", m.Target, err)
	}
	if err := c.fill(ctx, dir, m.Target); err != nil {
		return specs.Mount{}, fmt.Errorf("filling the volume %s: %w", m.Target, err)
	}
	if o.VolumeOwner != 0 {
		if err := giveAway(dir, o.VolumeOwner); err != nil {
			return specs.Mount{}, err
		}
	}
	return bind(dir, m.Target, m.ReadOnly), nil
}

// fill copies what the image has at a path into a new volume.
func (c *Container) fill(ctx context.Context, dir, at string) error {
	target, _, err := c.box.tree.Resolve(at)
	if err != nil {
		return nil //nolint:nilerr // the image has nothing there
	}
	from := filepath.Join(c.box.lower, filepath.FromSlash(target)) // canonical: no link on the way
	if info, err := os.Lstat(from); err != nil || !info.IsDir() {
		return errors.New("the image has a file there")
	}
	// cp copies links as links, and never follows one.
	if out, err := exec.CommandContext(ctx, "cp", "-a", "--", from+"/.", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// giveAway gives a volume and all that is in it to another user.
func giveAway(dir string, uid int) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("giving a volume away: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = root.Lchown(name, uid, uid)
		}
		if err != nil {
			return fmt.Errorf("giving a volume away: %w", err)
		}
		return nil
	})
}

// HasVolumes tells whether a start would have volumes of its own.
func (b *Box) HasVolumes(o Options) bool {
	return len(b.config.Volumes) > 0 || slices.ContainsFunc(o.Mounts, func(m Mount) bool { return m.Type == MountVolume })
}
