//go:build linux

package container

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Bundle is an image unpacked for a runtime.
type Bundle struct {
	Dir  string // holds config.json and rootfs
	Stop string // stop signal without SIG, from the image's configuration
	spec spec
}

// Root returns the directory of the root filesystem.
func (b *Bundle) Root() string { return filepath.Join(b.Dir, "rootfs") }

// spec is what this package reads of a runtime configuration (OCI runtime
// specification, config.json).
type spec struct {
	Process struct {
		Args []string `json:"args"`
		Env  []string `json:"env"`
		Cwd  string   `json:"cwd"`
		User struct {
			UID            int   `json:"uid"`
			GID            int   `json:"gid"`
			AdditionalGids []int `json:"additionalGids"`
		} `json:"user"`
	} `json:"process"`
}

// capabilities are those that Docker and containerd give a container by
// default; umoci's template has fewer.
func capabilities() []string {
	return []string{
		"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
		"CAP_MKNOD", "CAP_NET_BIND_SERVICE", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}
}

// Unpack unpacks the image tagged tag of the layout dir into the new directory
// bundle.
func Unpack(ctx context.Context, dir, tag, bundle string) (*Bundle, error) {
	if err := tool(ctx, "umoci", "unpack", "--image", dir+":"+tag, bundle); err != nil {
		return nil, err
	}
	b := &Bundle{Dir: bundle}
	if err := b.configure(); err != nil {
		return nil, fmt.Errorf("preparing the bundle %s: %w", bundle, err)
	}
	stop, err := stopSignal(dir, tag)
	if err != nil {
		return nil, err
	}
	b.Stop = stop
	return b, nil
}

// configure reads the bundle's configuration and makes it one for tests: no
// terminal, the capabilities of common engines.
func (b *Bundle) configure() error {
	name := filepath.Join(b.Dir, "config.json")
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	if err := json.Unmarshal(data, &b.spec); err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	var whole map[string]any
	if err := json.Unmarshal(data, &whole); err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	process, ok := whole["process"].(map[string]any)
	if !ok {
		return errors.New("reading the configuration: no process")
	}
	process["terminal"] = false
	process["capabilities"] = map[string]any{
		"bounding": capabilities(), "effective": capabilities(), "permitted": capabilities(),
	}
	if data, err = json.Marshal(whole); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

// stopSignal returns the signal that the image wants, TERM when it says
// nothing.
func stopSignal(dir, tag string) (string, error) {
	img, err := taggedImage(dir, tag)
	if err != nil {
		return "", err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return "", fmt.Errorf("reading the image %s of %s: %w", tag, dir, err)
	}
	return cmp.Or(strings.TrimPrefix(config.Config.StopSignal, "SIG"), "TERM"), nil
}

// tool runs a program of the host.
func tool(ctx context.Context, name string, args ...string) error {
	output, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("running %s %s: %w\n%s", name, strings.Join(args, " "), err, output)
	}
	return nil
}

func decimal(n int) string { return strconv.Itoa(n) }
