package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/inventory"
	"github.com/lathe-build/lathe/sign"
)

const docsDir = "../../docs"

// TestCommandDocs compares docs/cli with what the commands say of themselves;
// -update writes it.
func TestCommandDocs(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	root := newRoot(&environment{})
	collectDocs(root, want)
	dir := filepath.Join(docsDir, "cli")
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // documentation
				t.Fatal(err)
			}
		}
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if _, ok := want[d.Name()]; !ok {
			t.Errorf("docs/cli/%s is about no command", d.Name())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("go test ./cmd/lathe -run TestCommandDocs -update writes it: %v", err)
			continue
		}
		if diff := cmp.Diff(want[name], string(got)); diff != "" {
			t.Errorf("docs/cli/%s is not current; go test ./cmd/lathe -run TestCommandDocs -update (-want +got):\n%s", name, diff)
		}
	}
}

// collectDocs writes the page of a command and of those below it.
func collectDocs(cmd *cobra.Command, pages map[string]string) {
	cmd.InitDefaultHelpFlag()
	pages[pageName(cmd)] = commandPage(cmd)
	for _, child := range cmd.Commands() {
		if child.Name() != "help" {
			collectDocs(child, pages)
		}
	}
}

func pageName(cmd *cobra.Command) string {
	return strings.ReplaceAll(cmd.CommandPath(), " ", "_") + ".md"
}

// commandPage says in Markdown what a command says of itself. Its text is
// indented where it is meant to be typed, which Markdown takes for code.
func commandPage(cmd *cobra.Command) string {
	var b strings.Builder
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	long = regexp.MustCompile(`(?m)^  (\S)`).ReplaceAllString(long, "    $1")
	fmt.Fprintf(&b, "# %s\n\n%s\n\n```\n%s\n```\n", cmd.CommandPath(), long, cmd.UseLine())
	for _, set := range []struct{ title, usages string }{
		{"Flags", cmd.NonInheritedFlags().FlagUsages()},
		{"Flags of every command", cmd.InheritedFlags().FlagUsages()},
	} {
		if set.usages != "" {
			fmt.Fprintf(&b, "\n## %s\n\n```\n%s```\n", set.title, set.usages)
		}
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\n## Commands\n\n")
		for _, child := range cmd.Commands() {
			if child.Name() != "help" {
				fmt.Fprintf(&b, "- [%s](%s): %s\n", child.CommandPath(), pageName(child), child.Short)
			}
		}
	}
	if cmd.HasParent() {
		fmt.Fprintf(&b, "\nBelongs to [%s](%s).\n", cmd.Parent().CommandPath(), pageName(cmd.Parent()))
	}
	return b.String()
}

// TestFlagsHaveScripts finds flags that no script uses.
func TestFlagsHaveScripts(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	var all strings.Builder
	for _, name := range scripts {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(raw)
	}
	text := all.String()
	untested := []string{"rekor-url"} // needs a log: see the tests of package sign
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Runnable() && !strings.Contains(text, "lathe "+strings.TrimPrefix(cmd.CommandPath(), "lathe ")) {
			t.Errorf("no script runs %s", cmd.CommandPath())
		}
		for _, use := range strings.Fields(cmd.LocalFlags().FlagUsages()) {
			name, ok := strings.CutPrefix(use, "--")
			if !ok || slices.Contains(untested, name) || cmd.Flags().Lookup(name) == nil && cmd.PersistentFlags().Lookup(name) == nil {
				continue
			}
			if !strings.Contains(text, "--"+name) {
				t.Errorf("no script uses --%s of %s", name, cmd.CommandPath())
			}
		}
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk(newRoot(&environment{}))
}

// TestHelpTeaches holds the help texts to what they promise: an example that
// names the command, a word for every value, one word for one flag.
func TestHelpTeaches(t *testing.T) {
	t.Parallel()
	short := map[string]string{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if !cmd.HasSubCommands() && !regexp.MustCompile(`\n  (.*\| )?`+cmd.CommandPath()).MatchString(cmd.Long) {
			t.Errorf("the help of %s has no example", cmd.CommandPath())
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			value, text := pflag.UnquoteUsage(f)
			if slices.Contains([]string{"string", "strings", "stringArray"}, value) {
				t.Errorf("--%s of %s has no word for its value", f.Name, cmd.CommandPath())
			}
			if strings.HasSuffix(text, ".") || text == "" {
				t.Errorf("--%s of %s: %q", f.Name, cmd.CommandPath(), text)
			}
			if other, ok := short[f.Name]; ok && other != f.Shorthand {
				t.Errorf("--%s is -%s in one command and -%s in %s", f.Name, other, f.Shorthand, cmd.CommandPath())
			}
			short[f.Name] = f.Shorthand
		})
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk(newRoot(&environment{}))
}

// TestExitCodes turns errors into exit codes, all those of docs/exit-codes.md.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	stopped := func(s syscall.Signal) context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(signalError{s})
		return ctx
	}
	background := context.Background()
	fails := errors.New("disk on fire")
	seen := map[string]bool{}
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"nothing wrong", background, nil, 0},
		{"any error", background, fails, 1},
		{"a limit", background, &layers.LimitError{What: "layers", Limit: 1}, 1},
		{"a wrong password", background, fmt.Errorf("opening: %w", sign.ErrPassword), 1},
		{"wrong use", background, usage("no such flag"), 2},
		{"wrong use within", background, fmt.Errorf("harden: %w", usage("no such flag")), 2},
		{"an output that exists", background, fmt.Errorf("writing: %w", image.ErrExists), 2},
		{"a conflict", background, fmt.Errorf("planning: %w", &harden.Conflict{Reasons: []string{"x"}}), 3},
		{"a run that fails", background, fmt.Errorf("running: %w", gate("x")), 3},
		{"profiles of two images", background, fmt.Errorf("merging: %w", otherImage("a", "b")), 4},
		{"a refusal", background, fmt.Errorf("planning: %w", &harden.Refusal{Reasons: []string{"x"}}), 4},
		{"interrupted", stopped(syscall.SIGINT), context.Canceled, 130},
		{"interrupted, whatever it then said", stopped(syscall.SIGINT), fails, 130},
		{"terminated", stopped(syscall.SIGTERM), context.Canceled, 143},
		{"a signal after the end", stopped(syscall.SIGTERM), nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := exitCode(tt.ctx, tt.err); got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
		})
		seen[strconv.Itoa(tt.want)] = true
	}
	page := readDoc(t, "exit-codes.md")
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(page, -1) {
		documented[row[1]] = true
	}
	if diff := cmp.Diff(seen, documented); diff != "" {
		t.Errorf("docs/exit-codes.md (-tested +documented):\n%s", diff)
	}
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(docsDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestLimits compares docs/limits.md with the limits that apply.
func TestLimits(t *testing.T) {
	t.Parallel()
	page := readDoc(t, "limits.md")
	d, i := layers.DefaultLimits(), image.DefaultLimits()
	for _, row := range []struct {
		name  string
		value int64
	}{
		{"`--limit-layers`", int64(d.Layers)},
		{"`--limit-entries`", int64(d.Entries)},
		{"`--limit-depth`", int64(d.Depth)},
		{"`--limit-expanded`", d.Expanded},
		{"`--limit-ratio`", d.Ratio},
		{"`--limit-window`", d.Window},
		{"manifest, index or config", i.DocumentBytes},
		{"a layer as stored", i.LayerBytes},
		{"layers of a manifest", int64(i.Layers)},
		{"manifests of an index", int64(i.Manifests)},
		{"index in index", int64(i.IndexDepth)},
		{"members of a docker archive", int64(i.ArchiveMembers)},
		{"a docker archive, unpacked", i.ArchiveBytes},
		{"signatures of a digest", sign.MaxEntries},
		{"a signature's or an attestation's payload", sign.MaxPayload},
		{"a key file", sign.MaxKeyFile},
		{"a predicate", sign.MaxPredicate},
		{"`--cache-size`", image.DefaultCacheBytes},
		{"a plan", harden.MaxDocument},
		{"a hint", netpolicy.MaxHintBytes},
		{"an inventory file", inventory.MaxBytes},
		{"an object of an inventory", inventory.MaxItemBytes},
		{"objects of all inventories", inventory.MaxItems},
		{"a mapping of peers", inventory.MaxMappingBytes},
		{"a password", maxPassword},
		{"a policy file", harden.MaxPolicyBytes},
		{"rules, answers and words of trust of a policy", harden.MaxRules},
		{"a text in a policy", harden.MaxPolicyText},
	} {
		if want := "| " + row.name + " | " + amount(row.value) + " |"; !strings.Contains(page, want) {
			t.Errorf("docs/limits.md has no row %q", want)
		}
	}
	for _, cmd := range newRoot(&environment{}).Commands() {
		for _, flag := range regexp.MustCompile(`--limit-\w+`).FindAllString(cmd.LocalFlags().FlagUsages(), -1) {
			if !strings.Contains(page, "`"+flag+"`") {
				t.Errorf("docs/limits.md says nothing of %s", flag)
			}
		}
	}
}

// amount is a number as people write it.
func amount(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.size && n%unit.size == 0 && n > 1024 {
			return strconv.FormatInt(n/unit.size, 10) + " " + unit.name
		}
	}
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
