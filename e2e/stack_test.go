//go:build e2e && linux

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/lathe-build/lathe/e2e/live"
	"github.com/lathe-build/lathe/internal/debimage"
	"github.com/lathe-build/lathe/record/sandbox"
)

// step is one thing that a probe does: a URL path to get, a command of the
// original image that asks the server, a command inside the container, or a
// signal to it. What it answers must hold Want, and be what the original answers.
type step struct {
	Get    string   `json:"get,omitempty"`
	Status int      `json:"status,omitempty"` // of Get; 0 means 200
	Ask    []string `json:"ask,omitempty"`    // arguments of the stack's client
	Run    []string `json:"run,omitempty"`    // from the original's root, in the container's network
	Inside []string `json:"inside,omitempty"` // from the container's own root
	Signal string   `json:"signal,omitempty"` // to its first process, such as HUP
	Want   string   `json:"want,omitempty"`
}

// maxStepName is how much of a step names it.
const maxStepName = 200

func (s step) name() string {
	name := cmp.Or(s.Get, s.Signal, strings.Join(slices.Concat(s.Ask, s.Run, s.Inside), " "))
	if len(name) > maxStepName {
		return fmt.Sprintf("%s… (%d bytes)", name[:maxStepName], len(name))
	}
	return name
}

// scenario is a way to start a container.
type scenario struct {
	Name    string   `json:"name"`
	Empty   []string `json:"empty,omitempty"`   // directories that a tmpfs hides
	Volumes []string `json:"volumes,omitempty"` // besides those of the image
	Owner   int      `json:"owner,omitempty"`   // of all volumes; 0: as the image has it

	Unseen bool   `json:"unseen,omitempty"` // not recorded, only judged
	Change []step `json:"change,omitempty"` // what is asked besides before a restart
	Again  []step `json:"again,omitempty"`  // what is asked after it, on the same volumes
}

// stack is a real image with its probes, as e2e/stacks/NAME/stack.yaml says.
type stack struct {
	name string

	Example   string     `json:"example,omitempty"` // below examples/, where the image's recipe is not beside
	Program   string     `json:"program"`           // that starts the container
	Port      int        `json:"port"`
	Tools     []string   `json:"tools"`             // that the original must have, for anything to be proved
	Stays     []string   `json:"stays,omitempty"`   // of the tools that must go: the start script's shell
	User      string     `json:"user,omitempty"`    // of the server, who may read the key; default: root
	Locales   []string   `json:"locales,omitempty"` // that the image has besides C.UTF-8
	Client    []string   `json:"client,omitempty"`
	Ready     []string   `json:"ready,omitempty"` // what the client asks until it is answered
	Scenarios []scenario `json:"scenarios,omitempty"`
	Plain     []step     `json:"plain"` // what the profile sees
	Deep      []step     `json:"deep"`  // what it never saw

	once     sync.Once
	image    string    // OCI layout of the original
	whole    *unpacked // the original
	probe    string    // directory of what the deep probe brings along
	recorded []string  // profiles, one a scenario
	err      error
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

// The stacks of every push, and those that take too long for that.
var (
	nginx, python, goserver, redis = readStack("nginx"), readStack("python"), readStack("goserver"), readStack("redis")
	postgres, php, java, node      = readStack("postgres"), readStack("php"), readStack("java"), readStack("node")
)

func exampleStacks() []*stack { return []*stack{nginx, python, goserver, redis} }
func slowStacks() []*stack    { return []*stack{postgres, php, java, node} }

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
	if s.err != nil {
		return
	}
	if s.whole, s.err = unpackTo(t.Context(), s.image, s.image+".bundle"); s.err == nil {
		shared.open = append(shared.open, s.whole.Image)
		s.err = s.makeProbe()
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

// record records each scenario that is to be seen with the plain probe.
func (s *stack) record(t *testing.T) {
	for i := range s.Scenarios {
		if s.err != nil {
			return
		}
		if s.Scenarios[i].Unseen {
			continue
		}
		profile := s.image + "." + strconv.Itoa(i) + ".json"
		s.recorded = append(s.recorded, profile)
		s.err = s.recordScenario(t, &s.Scenarios[i], profile)
	}
}

// recordScenario records by the binary, of which this program is the test.
func (s *stack) recordScenario(t *testing.T, sc *scenario, profile string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{
		"record", "oci:" + s.image, "--name", s.name, "--scenarios", "none", "--network", "none",
		"--publish", strconv.Itoa(s.Port), "--stop-timeout", stopLimit.String(), "-o", profile,
	}
	for _, dir := range sc.Empty {
		args = append(args, "--tmpfs", dir)
	}
	for _, dir := range sc.Volumes {
		from := filepath.Join(t.TempDir(), "volume")
		if err := errors.Join(os.Mkdir(from, 0o755), os.Chown(from, sc.Owner, sc.Owner)); err != nil {
			return err
		}
		args = append(args, "--volume", from+":"+dir)
	}
	env := []string{"LATHE_E2E_TAKE=" + s.name, "LATHE_E2E_ROOT=" + s.whole.root}
	if r := run("", env, shared.lathe, append(args, "--", self)...); r.code != 0 {
		return fmt.Errorf("lathe %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return nil
}

// profiles are the arguments that name what was recorded.
func (s *stack) profiles(t *testing.T) []string {
	t.Helper()
	s.prepare(t)
	var args []string
	for _, name := range s.recorded {
		args = append(args, "--profile", name)
	}
	return args
}

// answers starts an image in a scenario and returns what each step answers,
// checked; with a restart, also what those after it answer.
func (s *stack) answers(t *testing.T, image *unpacked, sc *scenario, steps []step) map[string]string {
	t.Helper()
	store, err := image.Box.NewStore()
	if err != nil {
		t.Fatal(err)
	}
	o := s.options(sc)
	o.Mounts = append(o.Mounts, s.probeMount())
	out := s.ask(t, image, store, o, slices.Concat(steps, sc.Change))
	if len(sc.Again) > 0 {
		if image.Box.HasVolumes(o) { // they are what stays
			if err := store.Renew(); err != nil {
				t.Fatal(err)
			}
		}
		for name, answer := range s.ask(t, image, store, o, sc.Again) {
			out["again: "+name] = answer
		}
	}
	if err := store.Remove(); err != nil {
		t.Error(err)
	}
	return out
}

// stopLimit is how long a server may take to stop.
const stopLimit = time.Minute

// options are how a scenario starts its container.
func (s *stack) options(sc *scenario) sandbox.Options {
	o := sandbox.Options{
		Network: sandbox.Network{Mode: sandbox.NetworkNone}, Publish: live.Loopback(s.Port),
		VolumeOwner: sc.Owner, Grace: stopLimit, Hostname: "judged",
	}
	for _, dir := range sc.Empty {
		o.Mounts = append(o.Mounts, sandbox.Mount{Type: sandbox.MountTmpfs, Target: dir})
	}
	for _, dir := range sc.Volumes {
		o.Mounts = append(o.Mounts, sandbox.Mount{Type: sandbox.MountVolume, Target: dir})
	}
	return o
}

// ask starts a container, takes steps and stops it.
func (s *stack) ask(t *testing.T, image *unpacked, store *sandbox.Store, o sandbox.Options, steps []step) map[string]string {
	t.Helper()
	ctx := t.Context()
	c, err := image.Box.Start(ctx, store, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		killed, err := c.Stop(ctx)
		if killed {
			err = errors.Join(err, errors.New("it had to be killed"))
		}
		if err != nil {
			t.Errorf("stopping: %v\n%s", err, c.Logs())
		}
	}()
	if err := live.Ready(ctx, c, s.Port); err != nil {
		t.Fatal(err)
	}
	at := place{pid: c.PID(), address: c.Ports()[0].Host.String(), client: s.whole.root}
	out, err := s.take(ctx, at, steps)
	if err != nil {
		t.Errorf("%v\n%s", err, c.Logs())
	}
	return out
}
