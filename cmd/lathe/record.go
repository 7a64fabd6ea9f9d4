package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/record"
)

type recordOptions struct {
	run       runFlags
	image     string
	platform  string
	output    string
	force     bool
	name      string
	container string
	cgroup    string
	pid       int
	docker    bool
	length    time.Duration
}

const recordHelp = `Record what an image runs, opens and connects to while your tests exercise it.

  lathe record registry.example.com/web:1.4 -o profile.json -- ./smoke-test.sh
  lathe record oci:web --env MODE=test --link db=127.0.0.1:5432 -o profile.json -- go test ./e2e
  lathe record oci:web --test api='curl -f http://$LATHE_ADDR/api' --test admin=./admin.sh -o profile.json
  lathe record --docker -o profile.json -- docker run -e MODE=test -p 8080:80 web:1.4
  lathe record --container web -o profile.json -- ./smoke-test.sh

The image runs in a container of its own, by runc or crun, without a daemon and
with what docker gives a container by default. A test is a command on this host;
it finds the container in LATHE_ADDR, LATHE_HOST and LATHE_PORT, and each port in
LATHE_ADDR_8080 and LATHE_PORT_8080. When it fails, no profile is written.

Each test gets a fresh container. Start scenarios run by themselves: a restart
on the same volumes, volumes of another user, a tmpfs on /run and /tmp. One that
fails on the original image is reported and left out.

--container, --cgroup and --pid record what runs already. Such a profile misses
what was done before, and says so.`

func newRecord(env *environment, g *global) *cobra.Command {
	var o recordOptions
	cmd := &cobra.Command{
		Use: "record IMAGE -o FILE [-- TEST...]", Short: "Record the profile of an image while tests exercise it", Long: recordHelp,
		RunE: func(cmd *cobra.Command, a []string) error {
			line, err := o.split(a, cmd.ArgsLenAtDash())
			if err != nil {
				return err
			}
			p, err := o.run.plan(line)
			if err != nil {
				return err
			}
			if o.attaches() {
				return runAttach(cmd.Context(), env, g, o, line)
			}
			return runRecord(cmd.Context(), env, g, o, p)
		},
	}
	addRunFlags(cmd, &o.run)
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "", "write to this `file` (default: standard output)")
	f.BoolVar(&o.force, "force", false, "replace an existing file")
	f.StringVar(&o.name, "name", "", "`name` of the profile")
	f.StringVar(&o.platform, "platform", "", "which `platform` of an index to run (default: this machine's)")
	f.BoolVar(&o.run.argv, "argv", false, "keep a sample of command lines, with what looks like a secret taken out")
	f.BoolVar(&o.docker, "docker", false, "take image and flags from the docker run command after --")
	f.StringVar(&o.container, "container", "", "record this running container of docker, podman or containerd: `ID` or name")
	f.StringVar(&o.cgroup, "cgroup", "", "record what runs in this control group: a `directory`")
	f.IntVar(&o.pid, "pid", 0, "record the container of this process: its `number` on this host")
	f.DurationVar(&o.length, "for", 0, "how long to record what runs already (default: until the test ends, or Ctrl-C)")
	addLimitFlags(cmd, &g.limits)
	return cmd
}

func (o *recordOptions) attaches() bool { return o.container != "" || o.cgroup != "" || o.pid != 0 }

// split tells the image from the test, and checks what excludes what.
func (o *recordOptions) split(a []string, dash int) ([]string, error) {
	before, line := a, []string(nil)
	if dash >= 0 {
		before, line = a[:dash], a[dash:]
	}
	ways := 0
	for _, on := range []bool{len(before) > 0, o.container != "", o.cgroup != "", o.pid != 0, o.docker} {
		if on {
			ways++
		}
	}
	switch {
	case ways == 0:
		return nil, usage("nothing to record: name an IMAGE, or use --docker, --container, --cgroup or --pid; see lathe record --help")
	case ways > 1 || len(before) > 1:
		return nil, usage("one thing at a time: an IMAGE, --docker, --container, --cgroup or --pid; tests come after --")
	case o.pid < 0:
		return nil, usage("--pid is the number of a process")
	case o.length != 0 && !o.attaches():
		return nil, usage("--for is for what runs already: --container, --cgroup or --pid")
	case o.attaches() && len(o.run.tests) > 0:
		return nil, usage("--test starts containers of its own: give one test after -- to record what runs already")
	}
	if o.docker {
		ref, err := o.run.takeDocker(line)
		o.image = ref
		return nil, err
	}
	if len(before) > 0 {
		o.image = before[0]
	}
	return line, nil
}

func runRecord(ctx context.Context, env *environment, g *global, o recordOptions, p *runPlan) error {
	ref, err := image.ParseRef(o.image)
	if err != nil {
		return asUsage(err)
	}
	if err := checkFree(o.output, o.force); err != nil {
		return err
	}
	if err := canRun(ctx, o.run.runtime); err != nil {
		return err
	}
	if err := p.join(ctx); err != nil {
		return err
	}
	src, err := o.read(ctx, env, g, ref)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // read only
	img, err := native(src, o.platform)
	if err != nil {
		return err
	}
	about, err := aboutImage(ref, src, img, o.image)
	if err != nil {
		return err
	}
	show := newRunProgress(env)
	reading := newProgress(env, "reading "+o.image)
	tree, err := layers.Open(ctx, img.Image, "", layers.WithLimits(g.limits.limits()), layers.WithProgress(reading.event))
	reading.done()
	if err != nil {
		return fmt.Errorf("reading %s: %w", o.image, err)
	}
	defer tree.Close() //nolint:errcheck // unlinked temporary files
	result, err := record.Run(ctx, p.options(env, tree, about, o.name, show))
	if err != nil {
		return fmt.Errorf("recording %s: %w", o.image, err)
	}
	if err := judge(env, result); err != nil {
		return fmt.Errorf("recording %s: %w", o.image, err)
	}
	return writeProfile(env, g, o, result.Profile)
}

// read reads the image. What a docker run command names is docker's first, and a
// registry's where docker does not have it.
func (o *recordOptions) read(ctx context.Context, env *environment, g *global, ref image.Ref) (*image.Source, error) {
	if !o.docker || ref.Kind != image.Registry {
		return image.Read(ctx, ref, g.imageOptions())
	}
	local, missing := image.ParseRef("docker-daemon:" + o.image)
	if missing == nil {
		var src *image.Source
		if src, missing = image.Read(ctx, local, g.imageOptions()); missing == nil {
			env.note("taking %s from the docker daemon", o.image)
			return src, nil
		}
	}
	src, err := image.Read(ctx, ref, g.imageOptions())
	if err != nil {
		return nil, fmt.Errorf("%w; nor was it taken from docker: %v", err, missing) //nolint:errorlint // what to try is about the registry
	}
	return src, nil
}

// judge says which start scenarios are left out, and fails when a test did.
func judge(env *environment, result *record.Result) error {
	noteLeftovers(env, result)
	var failed error
	for _, out := range result.Failed() {
		if out.Test || result.Profile == nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w%s", out.Scenario, out.Err, lastWords(out.Logs)))
			continue
		}
		env.note("left out: the scenario %s, which the image does not pass: %s", out.Scenario, oneLine(out.Err.Error()))
	}
	for _, out := range result.Runs {
		if out.Killed {
			env.note("%s: the container did not stop when it was asked to, and was killed", out.Scenario)
		}
	}
	if failed == nil && result.Profile == nil {
		return errors.New("nothing was recorded")
	}
	return failed
}

// noteLeftovers says what earlier runs left behind and cannot be removed.
func noteLeftovers(env *environment, result *record.Result) {
	for _, err := range result.Leftovers {
		env.note("an earlier run was killed and left something behind: %s", oneLine(err.Error()))
	}
}

// lastWords are the last lines of a container's output.
func lastWords(logs string) string {
	lines := strings.Split(strings.TrimSpace(logs), "\n")
	if logs = strings.Join(lines[max(0, len(lines)-5):], "\n"); logs == "" {
		return ""
	}
	return "; the container said: " + logs
}

// checkFree refuses an output that is there, before any work.
func checkFree(name string, force bool) error {
	if name == "" || name == "-" || force {
		return nil
	}
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("writing %s: %w", name, image.ErrExists)
	}
	return nil
}

// writeProfile writes the profile and says what it is worth.
func writeProfile(env *environment, g *global, o recordOptions, p *profile.Profile) error {
	var buf bytes.Buffer
	if err := p.Write(&buf); err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	if err := writeResult(env, o.output, buf.Bytes(), true, o.force); err != nil {
		return err
	}
	if o.output == "" || o.output == "-" {
		return nil
	}
	coverage := p.Coverage()
	if g.format == "json" {
		enc := json.NewEncoder(env.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(coverage)
	}
	if err := coverage.Render(env.stdout); err != nil {
		return err
	}
	if !p.Complete() {
		env.note("the profile is not complete, for the reasons in its notes: harden refuses it without --allow-incomplete")
	}
	return nil
}

func hostPlatform() string { return "linux/" + runtime.GOARCH }
