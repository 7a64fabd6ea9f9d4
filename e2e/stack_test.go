//go:build e2e && linux

package e2e

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/lathe-build/lathe/e2e/container"
	"github.com/lathe-build/lathe/internal/debimage"
)

// step is one thing that a probe does: a URL path to get, a command of the
// original image that asks the server, or a command inside the container. What
// it answers must hold Want, and be what the original answers.
type step struct {
	Get    string   `json:"get,omitempty"`
	Status int      `json:"status,omitempty"` // of Get; 0 means 200
	Ask    []string `json:"ask,omitempty"`    // arguments of the stack's client
	Run    []string `json:"run,omitempty"`    // from the original's root, in the container's network
	Inside []string `json:"inside,omitempty"` // from the container's own root
	Want   string   `json:"want"`
}

func (s step) name() string {
	return cmp.Or(s.Get, strings.Join(append(append(append([]string{}, s.Ask...), s.Run...), s.Inside...), " "))
}

// scenario is a way to start a container.
type scenario struct {
	Name  string         `json:"name"`
	Empty []string       `json:"empty,omitempty"` // directories that a tmpfs hides
	Owner map[string]int `json:"owner,omitempty"` // directories that are a volume of somebody's

	Unseen bool   `json:"unseen,omitempty"` // not recorded, only judged
	Again  []step `json:"again,omitempty"`  // what is asked after a restart on the same volumes
}

// stack is a real image with its probes, as e2e/stacks/NAME/stack.yaml says.
type stack struct {
	name string

	Example   string     `json:"example,omitempty"` // below examples/, where the image's recipe is not beside
	Program   string     `json:"program"`           // that starts the container
	Port      int        `json:"port"`
	Tools     []string   `json:"tools"`           // that the original must have, for anything to be proved
	Stays     []string   `json:"stays,omitempty"` // of the tools that must go: the start script's shell
	Client    []string   `json:"client,omitempty"`
	Ready     []string   `json:"ready,omitempty"` // what the client asks until it is answered
	Scenarios []scenario `json:"scenarios,omitempty"`
	Plain     []step     `json:"plain"` // what the profile sees
	Deep      []step     `json:"deep"`  // what it never saw

	once  sync.Once
	image string            // OCI layout of the original
	whole *container.Bundle // the original, unpacked: never started itself
	logs  []string          // of strace, one a scenario
	err   error
}

// readStack reads a stack's probes; an error is that of its preparation.
func readStack(name string) *stack {
	s := &stack{name: name}
	data, err := os.ReadFile(filepath.Join("stacks", name, "stack.yaml"))
	if err == nil {
		err = yaml.UnmarshalStrict(data, s)
	}
	if len(s.Scenarios) == 0 {
		s.Scenarios = []scenario{{Name: "fresh"}}
	}
	s.err = err
	return s
}

// The stacks of every push; the others take too long for that.
var nginx, python, goserver, redis = readStack("nginx"), readStack("python"), readStack("goserver"), readStack("redis")

func exampleStacks() []*stack { return []*stack{nginx, python, goserver, redis} }

// dir is where the recipe of the image is.
func (s *stack) dir() string {
	if s.Example != "" {
		return filepath.Join(repository, "examples", s.Example)
	}
	return filepath.Join("stacks", s.name)
}

// prepare builds the image and records it, once.
func (s *stack) prepare(t *testing.T) {
	t.Helper()
	s.once.Do(func() { s.build(t); s.unpack(t); s.record(t) })
	if s.err != nil {
		t.Fatal(s.err)
	}
}

func (s *stack) build(t *testing.T) {
	if s.err != nil {
		return
	}
	s.image = filepath.Join(shared.dir, s.name)
	s.err = buildExample(t, s.dir(), s.image, debimage.FindAlpine(repository))
}

// unpack unpacks the original.
func (s *stack) unpack(t *testing.T) {
	if s.err == nil {
		s.whole, s.err = container.Unpack(t.Context(), s.image, debimage.Tag, s.image+".bundle")
	}
}

// buildExample builds the image of an example with the cache of the checkout.
func buildExample(t *testing.T, dir, to, alpine string) error {
	recipe, err := debimage.ReadRecipe(os.DirFS(dir))
	if err != nil {
		return err
	}
	builder := debimage.Builder{
		Cache: filepath.Join(repository, ".build", "cache"), AlpineRoot: alpine,
		Note: func(text string) { t.Log(text) },
	}
	img, err := builder.Build(t.Context(), dir, recipe)
	if err != nil {
		return err
	}
	return debimage.WriteLayout(img, to)
}

// record runs each scenario that is to be seen with the plain probe under strace.
func (s *stack) record(t *testing.T) {
	for i := range s.Scenarios {
		if s.err != nil {
			return
		}
		if s.Scenarios[i].Unseen {
			continue
		}
		log := s.image + "." + strconv.Itoa(i) + ".strace"
		s.logs = append(s.logs, log)
		s.err = s.recordScenario(t, &s.Scenarios[i], log)
	}
}

func (s *stack) recordScenario(t *testing.T, sc *scenario, log string) (err error) {
	bundle := fresh(t, s.whole)
	if err := sc.set(bundle.Root()); err != nil {
		return err
	}
	c, err := container.Record(t.Context(), bundle, log)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, c.Stop(t.Context())) }()
	if err := s.ready(t, c); err != nil {
		return err
	}
	_, err = s.take(t, c, s.Plain)
	return err
}

// set makes the root filesystem of a container what the scenario starts with.
func (sc *scenario) set(root string) error {
	for _, dir := range sc.Empty {
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(root, dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for dir, owner := range sc.Owner {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
		if err := os.Chown(filepath.Join(root, dir), owner, owner); err != nil {
			return err
		}
	}
	return nil
}

// profiles imports the recorded logs and returns the arguments that name them.
func (s *stack) profiles(t *testing.T) []string {
	t.Helper()
	s.prepare(t)
	dir := t.TempDir()
	var args []string
	for i, log := range s.logs {
		name := filepath.Join(dir, strconv.Itoa(i)+".json")
		lathe(t, "profile", "import", "--from", "strace", "--complete", "--name", s.name, "--image", "oci:"+s.image,
			"--entrypoint", s.Program, "-o", name, log)
		args = append(args, "--profile", name)
	}
	return args
}

// unpack unpacks the image of a layout.
func unpack(t *testing.T, layout string) *container.Bundle {
	t.Helper()
	bundle, err := container.Unpack(t.Context(), layout, debimage.Tag, filepath.Join(t.TempDir(), "bundle"))
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// fresh is a bundle that can be started and written to.
func fresh(t *testing.T, image *container.Bundle) *container.Bundle {
	t.Helper()
	bundle, release, err := image.Fresh(filepath.Join(t.TempDir(), "fresh"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := release(); err != nil {
			t.Error(err)
		}
	})
	return bundle
}

// answers starts an unpacked image in a scenario and returns what each step
// answers, checked.
func (s *stack) answers(t *testing.T, image *container.Bundle, sc *scenario, steps []step) map[string]string {
	t.Helper()
	bundle := fresh(t, image)
	if err := sc.set(bundle.Root()); err != nil {
		t.Fatal(err)
	}
	out := s.ask(t, bundle, "", steps)
	if len(sc.Again) > 0 {
		s.ask(t, bundle, "-again", sc.Again)
	}
	return out
}

// ask starts a bundle, takes steps and stops it.
func (s *stack) ask(t *testing.T, bundle *container.Bundle, suffix string, steps []step) map[string]string {
	t.Helper()
	ctx := t.Context()
	name := "lathe-e2e-" + strings.NewReplacer("/", "-", " ", "-", ",", "").Replace(t.Name()) + "-" + filepath.Base(shared.dir) + suffix
	c, err := container.Start(ctx, bundle, name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	if err := s.ready(t, c); err != nil {
		t.Fatal(err)
	}
	out, err := s.take(t, c, steps)
	if err != nil {
		t.Error(err)
	}
	return out
}

// readyLimit is how long a server may answer that it is not ready yet.
const readyLimit = time.Minute

// ready waits until the server answers, and not only listens.
func (s *stack) ready(t *testing.T, c *container.Container) error {
	ctx, cancel := context.WithTimeout(t.Context(), readyLimit)
	defer cancel()
	if err := c.Ready(ctx, s.Port); err != nil || len(s.Ready) == 0 {
		return err
	}
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		_, err := c.RunFrom(ctx, s.whole.Root(), slices.Concat(s.Client, s.Ready))
		if err == nil {
			tick.Stop()
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// take takes the steps of a probe, up to the first that cannot be taken at all.
func (s *stack) take(t *testing.T, c *container.Container, steps []step) (map[string]string, error) {
	t.Helper()
	ctx := t.Context()
	out := map[string]string{}
	for _, p := range steps {
		var got string
		var err error
		switch {
		case p.Get != "":
			answer, failed := c.Get(ctx, s.Port, p.Get)
			if got, err = answer.Body, failed; err == nil && answer.Status != cmp.Or(p.Status, 200) {
				t.Errorf("%s: status %d: %s", p.name(), answer.Status, answer.Body)
			}
		case len(p.Ask) > 0:
			got, err = c.RunFrom(ctx, s.whole.Root(), slices.Concat(s.Client, p.Ask))
		case len(p.Run) > 0:
			got, err = c.RunFrom(ctx, s.whole.Root(), p.Run)
		default:
			got, err = c.Run(ctx, p.Inside)
		}
		if err != nil {
			return out, err
		}
		if !strings.Contains(got, p.Want) {
			t.Errorf("%s: want %q in the answer: %s", p.name(), p.Want, got)
		}
		out[p.name()] = got
	}
	return out, nil
}
