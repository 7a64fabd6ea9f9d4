//go:build e2e && linux

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lathe-build/lathe/record/sandbox"
)

// probeDir is where a container that is judged, and never one that is recorded,
// has what its deep probe brings along: the files of e2e/stacks/NAME/probe, a
// certificate with its key, and the program of e2e/native where the image has
// the C library that it was built for.
const probeDir = "/probe"

// glibc is the C library that marks an image of the host's kind.
const glibc = "usr/lib/x86_64-linux-gnu/libc.so.6"

// makeProbe makes the directory that is mounted, once a stack.
func (s *stack) makeProbe() error {
	s.probe = s.image + ".probe"
	if err := os.MkdirAll(s.probe, 0o755); err != nil {
		return err
	}
	files := os.DirFS(filepath.Join("stacks", s.name, "probe"))
	if _, err := fs.Stat(files, "."); err == nil {
		if err := os.CopyFS(s.probe, files); err != nil {
			return err
		}
	}
	owner, err := s.owner()
	if err != nil {
		return err
	}
	if err := writeCertificate(s.probe, owner); err != nil {
		return err
	}
	if !s.isGlibc() {
		return nil
	}
	cmd := exec.Command("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-pthread", "-o", filepath.Join(s.probe, "native"), "native/native.c")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building e2e/native: %w\n%s", err, output)
	}
	return nil
}

// probeMount is the mount of the probe's files.
func (s *stack) probeMount() sandbox.Mount {
	return sandbox.Mount{Type: sandbox.MountBind, Source: s.probe, Target: probeDir, ReadOnly: true}
}

// isGlibc tells whether the original has the C library of the host.
func (s *stack) isGlibc() bool {
	_, err := os.Stat(filepath.Join(s.whole.root, glibc))
	return err == nil
}

// owner is the number of the user who may read the key: the server's.
func (s *stack) owner() (int, error) {
	if s.User == "" {
		return 0, nil
	}
	users, err := os.ReadFile(filepath.Join(s.whole.root, "etc/passwd"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(users)) {
		if fields := strings.Split(line, ":"); fields[0] == s.User && len(fields) > 2 {
			return strconv.Atoi(fields[2])
		}
	}
	return 0, fmt.Errorf("%s: the image has no user %s", s.name, s.User)
}

// writeCertificate writes tls.crt, which certifies itself, and tls.key, which
// only its owner may read.
func writeCertificate(dir string, owner int) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "tls.key")
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644), //nolint:gosec // a certificate
		os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
		os.Chown(name, owner, owner),
	)
}

// plain are the steps that must work at every level. Ending a thread is one of
// them wherever the C library stays, although no recording saw it: the library
// loads libgcc_s for that, which nothing needs by linking.
func (s *stack) plain() []step {
	if !s.isGlibc() {
		return s.Plain
	}
	return slices.Concat(s.Plain, []step{{Inside: []string{native, "cancel"}, Want: "cancel: it ended\n"}})
}

// native is the program of e2e/native in a container.
const native = probeDir + "/native"

// deep are the steps that must work below the level files.
func (s *stack) deep(t *testing.T) []step {
	t.Helper()
	if !s.isGlibc() {
		return s.Deep
	}
	return slices.Concat(s.Deep, []step{
		{Inside: append([]string{native, "locale", "C", "POSIX", "C.UTF-8"}, s.Locales...), Want: "locale C.UTF-8: UTF-8"},
		{Inside: append([]string{native, "charset"}, charsets(t, s.whole.root)...), Want: "charset EUC-JP: 0 0"},
		{Inside: append([]string{native, "zone"}, zones(t, s.whole.root)...), Want: "zone UTC: 12:00 UTC"},
		{Inside: []string{native, "names"}, Want: "host localhost: 127.0.0.1 443"},
	})
}

// charsets are the character sets of which the image's C library has a module.
func charsets(t *testing.T, root string) []string {
	t.Helper()
	list := []string{"EUC-JP"}
	modules, err := os.ReadFile(filepath.Join(root, path.Dir(glibc), "gconv/gconv-modules.d/gconv-modules-extra.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(modules)) {
		if f := strings.Fields(line); len(f) > 3 && f[0] == "module" && f[1] == "INTERNAL" {
			list = append(list, strings.TrimSuffix(f[2], "//"))
		}
	}
	return list
}

// zones are the time zones of the image.
func zones(t *testing.T, root string) []string {
	t.Helper()
	list := []string{"UTC"}
	dir := os.DirFS(filepath.Join(root, "usr/share/zoneinfo"))
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.Contains(name, ".") && name != "leapseconds" {
			list = append(list, name)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return list
}

// TestThreadNeedsLibrary shows that ending a thread tells whether libgcc_s is
// there, in an image none of whose programs links it: without it the C library
// ends the program instead.
func TestThreadNeedsLibrary(t *testing.T) {
	const library = "/usr/lib/x86_64-linux-gnu/libgcc_s.so.1"
	profiles := nginx.profiles(t)
	for _, tc := range []struct {
		name, want string
		flags      []string
	}{
		{"as it is", "cancel: it ended\n", nil},
		{"dropped", "libgcc_s.so.1 must be installed", []string{"--drop", library}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			lathe(t, slices.Concat([]string{"harden", "oci:" + nginx.image, "--level", "files", "-o", out}, profiles, tc.flags)...)
			root := unpack(t, filepath.Join(out, "image")).root
			program, err := os.ReadFile(filepath.Join(nginx.probe, "native"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, "native"), program, 0o755); err != nil { //nolint:gosec // it is run
				t.Fatal(err)
			}
			output, err := exec.Command("chroot", root, "/native", "cancel").CombinedOutput()
			if !strings.Contains(string(output), tc.want) || (err != nil) != (tc.flags != nil) {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}
