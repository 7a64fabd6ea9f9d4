package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/record"
	"github.com/lathe-build/lathe/record/sandbox"
)

// runFlags say how an image is run and exercised. They are those of docker
// where docker has them.
type runFlags struct {
	publish, env, mounts, volumes, tmpfs, links []string
	entrypoint                                  string
	command                                     []string
	user, workdir, hostname, stopSignal         string
	network                                     string
	memory                                      int64
	pids                                        int64
	grace                                       time.Duration
	runtime                                     string
	ready                                       string
	readyTimeout                                time.Duration
	scenarios                                   []string
	tests                                       []string
	argv                                        bool
}

func addRunFlags(cmd *cobra.Command, r *runFlags) {
	f := cmd.Flags()
	f.StringArrayVar(&r.publish, "publish", nil, "publish a container's port on the host: [[ADDR:]HOSTPORT:]`PORT`; repeatable (default: those that the image exposes, on free ports of the loopback)")
	f.StringArrayVar(&r.env, "env", nil, "set `NAME=VALUE` in the container, or take NAME from this environment; repeatable")
	f.StringArrayVar(&r.mounts, "mount", nil, "`mount` of the container: type=bind|volume|tmpfs,source=…,target=…[,readonly]; repeatable")
	f.StringArrayVar(&r.volumes, "volume", nil, "`volume` or, where SOURCE is a path, directory of the host: [SOURCE:]TARGET[:ro]; repeatable")
	f.StringArrayVar(&r.tmpfs, "tmpfs", nil, "a tmpfs at this `path`; repeatable")
	f.StringArrayVar(&r.links, "link", nil, "let `NAME=ADDR:PORT` of the host be NAME:PORT in the container; repeatable")
	f.StringVar(&r.entrypoint, "entrypoint", "", "`program` to run instead of the image's")
	f.StringArrayVar(&r.command, "command", nil, "`argument` to run instead of the image's command; repeatable")
	f.StringVar(&r.user, "user", "", "`user` and group to run as")
	f.StringVar(&r.workdir, "workdir", "", "working `directory` in the container")
	f.StringVar(&r.hostname, "hostname", "", "the container's host `name`")
	f.StringVar(&r.stopSignal, "stop-signal", "", "`signal` that stops the container (default: the image's)")
	f.StringVar(&r.network, "network", "nat", "`network` of the container: nat, none, host, netns:PATH or container:ID")
	f.Int64Var(&r.memory, "memory", 0, "most `bytes` of memory (default: no limit)")
	f.Int64Var(&r.pids, "pids-limit", sandbox.DefaultPIDs, "most processes and threads")
	f.DurationVar(&r.grace, "stop-timeout", sandbox.DefaultGrace, "how long a container may take to stop")
	f.StringVar(&r.runtime, "runtime", "", "`runtime` to use: runc, crun or a path (default: the one that is installed)")
	f.StringVar(&r.ready, "ready", "", "shell `command` on the host that succeeds once the container serves (default: its healthcheck, or an open port)")
	f.DurationVar(&r.readyTimeout, "ready-timeout", record.DefaultReadyTimeout, "how long a container may take to be ready")
	f.StringSliceVar(&r.scenarios, "scenarios", []string{"all"}, "start `scenarios`: all, none, or some of restart, owner, tmpfs")
	f.StringArrayVar(&r.tests, "test", nil, "another test, `NAME=COMMAND` for the shell; repeatable")
}

// runPlan is what run flags say, checked.
type runPlan struct {
	container sandbox.Options
	box       sandbox.BoxOptions
	tests     []record.Test
	scenarios []string
	ready     record.Ready
	argv      bool
	joined    string // container whose network is joined
	recorded  bool   // the start scenarios are those of the profile
}

// plan checks the flags. The line is what stands after "--".
func (r *runFlags) plan(line []string) (*runPlan, error) {
	p := &runPlan{
		container: sandbox.Options{
			User: r.user, Dir: r.workdir, Hostname: r.hostname, StopSignal: r.stopSignal,
			Memory: r.memory, PIDs: r.pids, Grace: r.grace,
		},
		box: sandbox.BoxOptions{Runtime: r.runtime}, ready: record.Ready{Command: r.ready, Timeout: r.readyTimeout}, argv: r.argv,
	}
	if r.entrypoint != "" {
		p.container.Entrypoint = []string{r.entrypoint}
	}
	if len(r.command) > 0 {
		p.container.Args = r.command
	}
	if r.memory < 0 || r.pids < 1 || r.grace <= 0 || r.readyTimeout <= 0 {
		return nil, usage("--memory, --pids-limit, --stop-timeout and --ready-timeout are above 0")
	}
	for _, step := range []func(*runPlan) error{r.parseNetwork, r.parseMounts, r.parseEnv} {
		if err := step(p); err != nil {
			return nil, asUsage(err)
		}
	}
	var err error
	if p.scenarios, err = record.ParseScenarios(r.scenarios); err != nil {
		return nil, asUsage(err)
	}
	if len(line) > 0 {
		p.tests = append(p.tests, record.Test{Name: "test", Args: line})
	}
	return p, r.parseTests(p)
}

func (r *runFlags) parseTests(p *runPlan) error {
	for _, t := range r.tests {
		name, command, ok := strings.Cut(t, "=")
		if !ok || name == "" || command == "" || strings.ContainsAny(name, "\n/ ") {
			return usage("--test %q: it is NAME=COMMAND", t)
		}
		if slices.ContainsFunc(p.tests, func(have record.Test) bool { return have.Name == name }) ||
			slices.Contains([]string{record.ScenarioStart, record.ScenarioRestart, record.ScenarioOwner, record.ScenarioTmpfs}, name) {
			return usage("--test %q: the name is taken", t)
		}
		p.tests = append(p.tests, record.Test{Name: name, Args: []string{"sh", "-c", command}})
	}
	return nil
}

func (r *runFlags) parseNetwork(p *runPlan) error {
	var err error
	if id, ok := strings.CutPrefix(r.network, "container:"); ok && id != "" {
		p.joined = id
		p.container.Network = sandbox.Network{Mode: sandbox.NetworkJoined}
	} else if p.container.Network, err = sandbox.ParseNetwork(r.network); err != nil {
		return err
	}
	for _, s := range r.publish {
		publish, err := sandbox.ParsePublish(s)
		if err != nil {
			return err
		}
		p.container.Publish = append(p.container.Publish, publish)
	}
	if len(r.publish) > 0 && p.container.Network.Mode == sandbox.NetworkHost {
		return errors.New("in the host's network nothing is published: take --publish out")
	}
	for _, s := range r.links {
		link, err := sandbox.ParseLink(s)
		if err != nil {
			return err
		}
		p.container.Links = append(p.container.Links, link)
	}
	return nil
}

func (r *runFlags) parseMounts(p *runPlan) error {
	for _, s := range r.mounts {
		m, err := sandbox.ParseMount(s)
		if err != nil {
			return err
		}
		p.container.Mounts = append(p.container.Mounts, m)
	}
	for _, s := range r.volumes {
		m, err := sandbox.ParseVolume(s)
		if err != nil {
			return err
		}
		p.container.Mounts = append(p.container.Mounts, m)
	}
	for _, s := range r.tmpfs {
		at, options, _ := strings.Cut(s, ":")
		if options != "" {
			return fmt.Errorf("tmpfs %q: options are not supported", s)
		}
		m, err := sandbox.ParseMount("type=tmpfs,target=" + at)
		if err != nil {
			return err
		}
		p.container.Mounts = append(p.container.Mounts, m)
	}
	return nil
}

// parseEnv reads NAME=VALUE, or NAME for a value that must not be on a command
// line.
func (r *runFlags) parseEnv(p *runPlan) error {
	for _, s := range r.env {
		name, _, ok := strings.Cut(s, "=")
		if name == "" {
			return fmt.Errorf("env %q: it is NAME=VALUE or NAME", s)
		}
		if !ok {
			value, set := os.LookupEnv(name)
			if !set {
				continue // as docker does
			}
			s = name + "=" + value
		}
		p.container.Env = append(p.container.Env, s)
	}
	return nil
}

// join finds the container whose network is joined.
func (p *runPlan) join(ctx context.Context) error {
	if p.joined == "" {
		return nil
	}
	found, err := record.FindContainer(ctx, p.joined)
	if err != nil {
		return err
	}
	p.container.Network.Path = fmt.Sprintf("/proc/%d/ns/net", found.PID)
	return nil
}

// options are what record.Run gets for a tree.
func (p *runPlan) options(env *environment, tree *layers.Tree, about profile.Image, name string, show *runProgress) record.Options {
	return record.Options{
		Tree: tree, Image: about, Name: name, Version: version(), Box: p.box, Container: p.container, Tests: p.tests,
		Scenarios: p.scenarios, Ready: p.ready, Argv: p.argv, Env: os.Environ(), Output: env.stderr, Notify: show.event, Trace: record.EBPF,
	}
}

// canRun says early what is missing to run containers under a recorder.
func canRun(ctx context.Context, runtime string) error {
	if err := record.Supported(runtime); err != nil {
		return unsupportedError{err}
	}
	if err := record.CanTrace(ctx); err != nil {
		return unsupportedError{err}
	}
	return nil
}

// unsupportedError says that this machine cannot record.
type unsupportedError struct{ err error }

func (e unsupportedError) Error() string {
	return "cannot record here: " + strings.TrimPrefix(e.err.Error(), "cannot record here: ")
}
func (e unsupportedError) Unwrap() error { return e.err }

// aboutImage is what a profile says of the image that it is about.
func aboutImage(ref image.Ref, src *image.Source, img image.PlatformImage, name string) (profile.Image, error) {
	id, err := identity(src, img)
	if err != nil {
		return profile.Image{}, err
	}
	about := profile.Image{Digest: id.ManifestDigest, ConfigDigest: []string{id.ConfigDigest}, DiffIDs: id.DiffIDs, Platform: id.Platform}
	if id.IndexDigest != "" {
		about.IndexDigest = []string{id.IndexDigest}
	}
	if ref.Kind == image.Registry {
		about.Refs = []string{name}
	}
	return about, nil
}

// native picks the image of this machine's platform, or the one that is named.
func native(src *image.Source, platform string) (image.PlatformImage, error) {
	if platform == "" && len(src.Images) > 1 {
		platform = hostPlatform()
	}
	list, err := choose(src, []string{platform})
	if err != nil {
		return image.PlatformImage{}, err
	}
	if len(list) != 1 {
		return image.PlatformImage{}, usage("%d images fit: say which one to run with --platform", len(list))
	}
	return list[0], nil
}
