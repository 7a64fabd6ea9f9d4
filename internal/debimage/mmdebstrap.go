package debimage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bootstrap is one run of mmdebstrap.
type bootstrap struct {
	variant string // minbase, custom or extract
	under   string // archive to start from; "" for nothing
	suite   string
	sources []source
	include []string
	locales []string // such as de_DE.UTF-8, made by localedef
	epoch   time.Time
}

// args returns the arguments of mmdebstrap, the archive to write last but for
// the sources.
func (b bootstrap) args(archive string) []string {
	args := []string{"--quiet", "--variant=" + b.variant}
	if b.under != "" {
		args = append(args, "--skip=check/empty", "--setup-hook=tar-in '"+b.under+"' /")
	}
	// mmdebstrap copies these two from the host, and warns that it does
	// (mmdebstrap(1), SOURCE_DATE_EPOCH).
	args = append(args, `--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"`)
	if len(b.include) > 0 {
		args = append(args, "--include="+strings.Join(b.include, ","))
	}
	for _, l := range b.locales {
		base, charset, _ := strings.Cut(l, ".")
		args = append(args, `--customize-hook=chroot "$1" localedef -i `+base+" -f "+charset+" "+l)
	}
	args = append(args, b.suite, archive)
	for _, s := range b.sources {
		args = append(args, s.String())
	}
	return args
}

// run writes archive, all or nothing.
func (b bootstrap) run(ctx context.Context, archive string) error {
	if err := checkTools(); err != nil {
		return err
	}
	part := strings.TrimSuffix(archive, ".tar") + ".part.tar"
	cmd := exec.CommandContext(ctx, "mmdebstrap", b.args(part)...)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(b.epoch.Unix(), 10), "LC_ALL=C")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it has mounts to undo
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Run(); err != nil {
		return errors.Join(fmt.Errorf("running mmdebstrap for %s: %w\n%s", filepath.Base(archive), err, tail(output.String(), 15)),
			os.RemoveAll(part))
	}
	if err := os.Rename(part, archive); err != nil {
		return fmt.Errorf("keeping %s: %w", archive, err)
	}
	return nil
}

// runClean writes archive without what does not belong in an image: without
// root, mmdebstrap cannot start from an archive that holds device nodes.
func (b bootstrap) runClean(ctx context.Context, archive string) error {
	raw := strings.TrimSuffix(archive, ".tar") + ".raw.tar"
	if err := b.run(ctx, raw); err != nil {
		return err
	}
	return errors.Join(writeBase(ctx, raw, archive), os.Remove(raw))
}

// checkTools says what is missing to run mmdebstrap as this user.
func checkTools() error {
	need := map[string]string{"mmdebstrap": "mmdebstrap"}
	if os.Geteuid() != 0 {
		need["newuidmap"] = "uidmap"
	}
	var missing []string
	for program, pkg := range need {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("building images needs more programs: try `sudo apt-get install %s`", strings.Join(missing, " "))
	}
	return nil
}

// tail returns the last n lines of text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
