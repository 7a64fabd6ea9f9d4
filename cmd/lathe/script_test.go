package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lathe-build/lathe/internal/faultregistry"
	"github.com/lathe-build/lathe/sign"
)

var update = flag.Bool("update", false, "rewrite the golden parts of scripts and docs")

// TestScripts runs the scripts of testdata/script. Each starts in an empty
// directory of its own, with what testdata/fixture holds in $FIXTURE. Its
// commands, besides those of testscript:
//
//	fails CODE lathe ARG...      the exit code, nothing on stdout, one line that says why
//	finds lathe ARG...           a gate that says on stdout what it found, as fails 3 otherwise
//	web                          an image in web/, a profile of it, a key pair
//	mkimage [OPTION...] TEXT DIR an image of testdata/fixture or of the script; see imageCommands
//	nothing PATH...              is there, nor a temporary name of it, nor a spool
//	tamper PLACE WHAT            change one thing of an output; see tamperCommands
//	registry [OPTION...]         one at $REGISTRY; see registryCommands
//	subst FILE...                put variables in
//	replace OLD NEW FILE         a text in a file, everywhere
//	mask FILE                    digests that depend on a compressor become sha256:*
//	cmpjson FILE FILE            the same value
//	json FILE                    is one value
//	mode MODE FILE               has these permissions
//	jq PATH FILE WANT            a value in a document, such as a.b.0.c
func TestScripts(t *testing.T) {
	t.Parallel()
	fixture, err := filepath.Abs("testdata/fixture")
	if err != nil {
		t.Fatal(err)
	}
	cmds := map[string]func(*testscript.TestScript, bool, []string){
		"fails": fails, "finds": finds, "nothing": nothing, "subst": subst, "cmpjson": cmpJSON, "jq": jq,
		"web": web(keyPair(t)), "json": isJSON, "mode": mode, "replace": replace, "mask": mask,
	}
	for _, more := range []map[string]func(*testscript.TestScript, bool, []string){
		imageCommands(), tamperCommands(), registryCommands(t),
	} {
		for name, cmd := range more {
			cmds[name] = cmd
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", Cmds: cmds, UpdateScripts: *update, RequireUniqueNames: true,
		Condition: func(cond string) (bool, error) {
			path, ok := strings.CutPrefix(cond, "exists:")
			if !ok {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return exists(path), nil
		},
		Setup: func(env *testscript.Env) error {
			env.Values[serverKey{}] = new([]*faultregistry.Server)
			env.Setenv("FIXTURE", fixture)
			env.Setenv("COSIGN_PASSWORD", testPassword)
			env.Setenv("DOCKER_HOST", "unix://"+filepath.Join(env.WorkDir, "no-docker.sock"))
			return nil
		},
	})
}

const testPassword = "correct horse"

// keyPair makes one key pair for all scripts: its key derivation takes a while.
func keyPair(t *testing.T) func() (private, public []byte) {
	t.Helper()
	pair := sync.OnceValues(func() ([2][]byte, error) {
		private, public, err := sign.GenerateKeyPair([]byte(testPassword))
		return [2][]byte{private, public}, err
	})
	return func() ([]byte, []byte) {
		both, err := pair()
		if err != nil {
			t.Fatal(err)
		}
		return both[0], both[1]
	}
}

// web makes what most scripts start from.
func web(keys func() ([]byte, []byte)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) > 0 {
			ts.Fatalf("usage: web")
		}
		mkImage(ts, false, []string{"-config", "web.config", "web.image", "web"})
		ts.Check(os.WriteFile(ts.MkAbs("profile.yaml"), []byte(ts.ReadFile(fixtureFile(ts, "web.profile.yaml"))), 0o600))
		subst(ts, false, []string{"profile.yaml"})
		private, public := keys()
		ts.Check(os.WriteFile(ts.MkAbs("cosign.key"), private, 0o600))
		ts.Check(os.WriteFile(ts.MkAbs("cosign.pub"), public, 0o600))
	}
}

// fixtureFile is a file of the script, or else one of testdata/fixture.
func fixtureFile(ts *testscript.TestScript, name string) string {
	if own := ts.MkAbs(name); exists(own) {
		return own
	}
	return filepath.Join(ts.Getenv("FIXTURE"), name)
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// fails runs a command that must end with an exit code, print nothing, and say why
// on one line.
func fails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	exits(ts, want, args[1:])
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("a failure printed a result: %q", out)
	}
}

// finds runs a command that must find something, print it, and end as a gate.
func finds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: finds COMMAND [ARG...]")
	}
	exits(ts, exitGate, args)
	if ts.ReadFile("stdout") == "" {
		ts.Fatalf("the gate does not say what it found")
	}
}

// exits runs a command that must end with an exit code and say why on one line.
func exits(ts *testscript.TestScript, want int, args []string) {
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[0], args[1:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if err := oneComplaint(ts.ReadFile("stderr")); err != nil {
		ts.Fatalf("%v", err)
	}
}

// oneComplaint says what is wrong with the stderr of a failure: it ends with one
// line "lathe: why" and at most one "  try: what".
func oneComplaint(stderr string) error {
	lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	if last := len(lines) - 1; strings.HasPrefix(lines[last], "  try: ") {
		lines = lines[:last]
	}
	for i, line := range lines {
		isLast := i == len(lines)-1
		if strings.HasPrefix(line, "lathe: ") != isLast {
			return fmt.Errorf("line %d of stderr is not where it belongs: %q", i+1, line)
		}
		if strings.Contains(line, "panic") || strings.Contains(line, "goroutine") {
			return fmt.Errorf("a panic: %q", line)
		}
	}
	return nil
}

// nothing fails if a path is there, or a temporary name of it, or a spool.
func nothing(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: nothing PATH...")
	}
	for _, name := range args {
		if exists(ts.MkAbs(name)) {
			ts.Fatalf("%s is there", name)
		}
	}
	ts.Check(noLeftovers(ts.Getenv("WORK"), ts.Getenv("TMPDIR")))
}

// noLeftovers looks for temporary names of lathe.
func noLeftovers(work, temp string) error {
	err := filepath.WalkDir(work, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.Contains(d.Name(), ".lathe-") {
			return fmt.Errorf("%s was left behind", path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	list, err := os.ReadDir(temp)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, d := range list {
		if strings.HasPrefix(d.Name(), "lathe") {
			return fmt.Errorf("%s was left behind", filepath.Join(temp, d.Name()))
		}
	}
	return err
}

// subst puts variables of the script into files.
func subst(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: subst FILE...")
	}
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// replace puts one text in the place of another, which must be there.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace OLD NEW FILE")
	}
	text := ts.ReadFile(args[2])
	if !strings.Contains(text, args[0]) {
		ts.Fatalf("%s has no %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.ReplaceAll(text, args[0], args[1])), 0o600))
}

// mask takes digests out of a golden file.
func mask(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: mask FILE")
	}
	text := regexp.MustCompile("sha256:[0-9a-f]{64}").ReplaceAllString(ts.ReadFile(args[0]), "sha256:*")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

func decode(ts *testscript.TestScript, name string) any {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile(name)), &v); err != nil {
		ts.Fatalf("%s: %v", name, err)
	}
	return v
}

// isJSON fails if a file is not one JSON value.
func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: json FILE")
	}
	decode(ts, args[0])
}

// cmpJSON compares two documents as values.
func cmpJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: cmpjson FILE FILE")
	}
	diff := cmp.Diff(decode(ts, args[0]), decode(ts, args[1]))
	if (diff == "") == neg {
		ts.Fatalf("%s and %s: %s", args[0], args[1], diff)
	}
}

// jq compares a value in a document with a text.
func jq(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: jq PATH FILE WANT")
	}
	v := decode(ts, args[1])
	for key := range strings.SplitSeq(args[0], ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[strings.ReplaceAll(key, "%", ".")]
		case []any:
			i, err := strconv.Atoi(key)
			ts.Check(err)
			if v = nil; i < len(x) {
				v = x[i]
			}
		default:
			v = nil
		}
	}
	got, err := json.Marshal(v)
	ts.Check(err)
	text := strings.Trim(string(got), `"`)
	if (text == args[2]) == neg {
		ts.Fatalf("%s of %s is %s, want %s", args[0], args[1], text, args[2])
	}
}

// mode compares the permissions of a file.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode MODE FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}
