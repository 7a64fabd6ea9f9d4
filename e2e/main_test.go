//go:build e2e && linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/e2e/live"
	"github.com/lathe-build/lathe/record"
	"github.com/lathe-build/lathe/record/sandbox"
)

// repository is the root of the checkout, seen from this package.
const repository = ".."

// password is that of the test key.
const password = "e2e"

// shared is what all tests use: the binary under test, the signing key and the
// directory where images and profiles are.
var shared struct {
	dir, lathe, key, public string
	open                    []*live.Image // originals, closed at the end
}

func TestMain(m *testing.M) {
	if name := os.Getenv("LATHE_E2E_TAKE"); name != "" { // a recording's test, see takePlain
		if err := takePlain(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	if err := checkHost(); err != nil {
		return 1, err
	}
	if err := record.CanTrace(context.Background()); err != nil {
		return skipAll(err)
	}
	if shared.dir, err = os.MkdirTemp("", "lathe-e2e-*"); err != nil {
		return 1, err
	}
	defer func() {
		for _, i := range shared.open {
			err = errors.Join(err, i.Close())
		}
		if err = errors.Join(err, os.RemoveAll(shared.dir)); err != nil {
			code = 1
		}
	}()
	if shared.lathe = os.Getenv("LATHE_BIN"); shared.lathe == "" {
		shared.lathe = filepath.Join(shared.dir, "lathe")
		build := exec.Command("go", "build", "-o", shared.lathe, "./cmd/lathe")
		build.Dir = repository
		if output, err := build.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("building lathe: %w\n%s", err, output)
		}
	}
	if shared.lathe, err = filepath.Abs(shared.lathe); err != nil {
		return 1, err
	}
	prefix := filepath.Join(shared.dir, "e2e")
	shared.key, shared.public = prefix+".key", prefix+".pub"
	if r := run("", nil, shared.lathe, "generate-key-pair", "--output-key-prefix", prefix); r.code != 0 {
		return 1, fmt.Errorf("making a key: %s", r.stderr)
	}
	return m.Run(), nil
}

// skipAll skips all tests, aloud: go test shows nothing of a program that passes,
// so that who runs it prints the file that LATHE_SKIPPED names. Where
// LATHE_NEED_RECORDER is set it fails instead.
func skipAll(why error) (code int, err error) {
	if os.Getenv("LATHE_NEED_RECORDER") != "" {
		return 1, why
	}
	text := fmt.Sprintf("\n####\n####  NOTHING WAS TESTED END TO END: %v\n####\n\n", why)
	if name := os.Getenv("LATHE_SKIPPED"); name != "" {
		err = os.WriteFile(name, []byte(text), 0o644)
	}
	fmt.Fprint(os.Stderr, text)
	return 0, err
}

// checkHost says what the host lacks.
func checkHost() error {
	if os.Geteuid() != 0 {
		return errors.New("starting containers and tracing them needs root: try `sudo -E make e2e`")
	}
	var missing []string
	for _, name := range []string{"gcc", "mmdebstrap", "umoci", "strace", "unshare", "ip", "dpkg-query"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not installed: %s: try `make deps`", strings.Join(missing, ", "))
	}
	return sandbox.Supported("")
}

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a program with the password of the test key and more environment.
func run(dir string, env []string, name string, args ...string) result {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "COSIGN_PASSWORD="+password), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	if r.code < 0 {
		r.stderr += fmt.Sprint(err)
	}
	return r
}

// lathe runs the binary under test, which must succeed.
func lathe(t *testing.T, args ...string) string {
	t.Helper()
	r := run("", nil, shared.lathe, args...)
	if r.code != 0 {
		t.Fatalf("lathe %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}
