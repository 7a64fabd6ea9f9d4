package manifest

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/internal/cmdline"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// declarer makes the profile of one container.
type declarer struct {
	from  chosen
	about profile.Source // what is known of every source of the input
	opts  foreign.Options
	env   map[string]string
	out   profile.Profile
	notes []string
	room  int // for what variables hold
}

// use is why a command line is run.
type use struct {
	name   string // as the manifest calls it
	origin string
	phase  []string
	hook   bool
}

func declare(from chosen, about profile.Source, opts foreign.Options) *profile.Profile {
	d := &declarer{from: from, about: about, opts: opts, env: map[string]string{}, room: maxExpanded}
	c := from.container
	for _, v := range c.Env {
		if v.Value != nil {
			d.env[v.Name] = *v.Value
		}
	}
	d.start()
	for _, h := range []struct {
		handler handler
		use     use
	}{
		{c.StartupProbe, use{"startupProbe", profile.OriginProbe, []string{profile.PhaseStartup}, false}},
		{c.LivenessProbe, use{"livenessProbe", profile.OriginProbe, []string{profile.PhaseServing}, false}},
		{c.ReadinessProbe, use{"readinessProbe", profile.OriginProbe, []string{profile.PhaseServing}, false}},
		{c.Lifecycle.PostStart, use{"postStart", profile.OriginProbe, []string{profile.PhaseStartup}, true}},
		{c.Lifecycle.PreStop, use{"preStop", profile.OriginProbe, []string{profile.PhaseShutdown}, true}},
	} {
		if h.handler.Exec == nil || len(h.handler.Exec.Command) == 0 {
			continue
		}
		argv := h.handler.Exec.Command // Kubernetes expands no variables in these
		d.run(argv, h.use, d.instead(argv, h.use))
	}
	d.surroundings()
	source := d.source()
	d.seenBy(source.ID)
	d.out.Metadata.Name = opts.Name
	d.out.Sources = []profile.Source{source}
	if i := opts.Image; i.Digest != "" || len(i.ConfigDigest)+len(i.Refs) > 0 {
		d.out.Images = []profile.Image{i}
	}
	return &d.out
}

// start takes the container's own command. Arguments alone go to the image's
// entrypoint, which may run the first of them.
func (d *declarer) start() {
	c := d.from.container
	command, args := d.expanded(c.Command), d.expanded(c.Args)
	own := use{name: "command", origin: profile.OriginEntrypoint}
	if len(command) > 0 {
		d.run(append(command, args...), own, nil)
		return
	}
	if len(args) == 0 {
		return
	}
	needs := cmdline.Of(append([]string{"entrypoint"}, args...))
	d.files(needs.Files, nil)
	if program(args[0]) {
		for _, file := range d.spellings(args[0]) {
			d.out.Files = append(d.out.Files, profile.File{Path: file, Access: []string{profile.AccessExec}})
		}
	}
}

// program reports whether an argument may be a program's name.
func program(word string) bool {
	return word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-") == "" &&
		!strings.HasPrefix(word, "-")
}

// run takes a command line, and what can be done in place of its tools.
func (d *declarer) run(argv []string, why use, instead []cmdline.Replacement) {
	needs := cmdline.Of(argv)
	var keys []string
	for _, name := range needs.Programs {
		if name == "" || strings.ContainsAny(name, "$\x00") {
			d.note("%s runs %q, a name that is computed", why.name, name)
			continue
		}
		files := d.spellings(name)
		origin := why.origin
		if origin == profile.OriginEntrypoint && name != argv[0] {
			origin = profile.OriginChild
		}
		x := profile.Executable{
			Path: files[0], Via: files[1:], Origin: []string{origin}, Phase: why.phase, UIDs: d.user(), Instead: insteadOf(name, instead, why),
		}
		keys = append(keys, profile.Key(x.Path, ""))
		d.out.Executables = append(d.out.Executables, x)
	}
	d.files(needs.Files, keys)
}

// spellings are the paths that a program's name can mean.
func (d *declarer) spellings(name string) []profile.Path {
	switch {
	case strings.HasPrefix(name, "/"):
		return []profile.Path{profile.Path(name)}
	case strings.Contains(name, "/"):
		return []profile.Path{profile.Path(path.Join(d.dir(), name))}
	}
	search := d.opts.Path
	if own := d.env["PATH"]; own != "" && !strings.Contains(own, "$(") {
		search = own
	}
	if search == "" {
		search = defaultPath
	}
	var out []profile.Path
	for dir := range strings.SplitSeq(search, ":") {
		if strings.HasPrefix(dir, "/") && !strings.Contains(dir, "\x00") {
			out = append(out, profile.Path(path.Join(dir, name)))
		}
	}
	if len(out) == 0 {
		out = []profile.Path{profile.Path(path.Join("/", name))}
	}
	return out
}

// dir is the container's working directory.
func (d *declarer) dir() string {
	for _, dir := range []string{d.from.container.WorkingDir, d.opts.Dir} {
		if strings.HasPrefix(dir, "/") && !strings.Contains(dir, "\x00") {
			return dir
		}
	}
	return "/"
}

// files takes the files that a command line names.
func (d *declarer) files(names, by []string) {
	for _, name := range names {
		if profile.OutsidePrefix(profile.Path(name)) != "" {
			continue
		}
		d.out.Files = append(d.out.Files, profile.File{
			Path: profile.Path(name), Access: []string{profile.AccessOpen, profile.AccessRead}, By: by,
		})
	}
}

// expanded replaces $(NAME) as Kubernetes does: where the variable is known, and
// $$( by $(.
func (d *declarer) expanded(words []string) []string {
	out := slices.Clone(words)
	for i, word := range out {
		if !strings.Contains(word, "$(") {
			continue
		}
		var b strings.Builder
		for rest := word; ; {
			before, after, ok := strings.Cut(rest, "$(")
			b.WriteString(before)
			if !ok {
				break
			}
			name, tail, closed := strings.Cut(after, ")")
			value, known := d.env[name]
			switch {
			case strings.HasSuffix(before, "$"), !closed, !known:
				b.WriteString("$(")
				rest = after
			default:
				b.WriteString(value)
				rest = tail
			}
			if d.room -= len(value); d.room < 0 {
				return slices.Clone(words)
			}
		}
		out[i] = b.String()
	}
	return out
}

// maxExpanded bounds what variables make of a command line.
const maxExpanded = 1 << 20

// user is the user that the container runs as, where the manifest says it.
func (d *declarer) user() []uint32 {
	for _, c := range []securityContext{d.from.container.SecurityContext, d.from.of.pod.SecurityContext} {
		if id := c.RunAsUser; id != nil && *id >= 0 && *id < 1<<32 {
			return []uint32{uint32(*id)}
		}
	}
	return nil
}

// surroundings takes ports, directories and capabilities.
func (d *declarer) surroundings() {
	c := d.from.container
	for _, p := range c.Ports {
		proto := strings.ToLower(p.Protocol)
		if proto == "" {
			proto = "tcp"
		}
		if p.ContainerPort < 1 || p.ContainerPort > 65535 || proto != "tcp" && proto != "udp" && proto != "sctp" {
			d.note("the port %d of %q is none", p.ContainerPort, p.Protocol)
			continue
		}
		d.out.Network.Listen = append(d.out.Network.Listen, profile.Listen{Proto: proto, Addr: "0.0.0.0", Port: p.ContainerPort})
	}
	dirs := []string{c.WorkingDir}
	for _, m := range c.VolumeMounts {
		dirs = append(dirs, m.MountPath)
	}
	for _, dir := range dirs {
		if strings.HasPrefix(dir, "/") && !strings.Contains(dir, "\x00") && profile.OutsidePrefix(profile.Path(dir)) == "" {
			d.out.Files = append(d.out.Files, profile.File{Path: profile.Path(dir), Access: []string{profile.AccessStat}})
		}
	}
	for _, name := range c.SecurityContext.Capabilities.Add {
		name = strings.TrimPrefix(strings.ToUpper(name), "CAP_")
		if name == "" || name == "ALL" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || len(name) > 64 {
			d.note("the capability %q is not one", name)
			continue
		}
		d.out.Capabilities = append(d.out.Capabilities, profile.Capability{Name: name})
	}
}

// instead is what Kubernetes can do in place of the tools of a probe or hook.
func (d *declarer) instead(argv []string, why use) []cmdline.Replacement {
	list := slices.DeleteFunc(cmdline.Replacements(argv), func(r cmdline.Replacement) bool {
		word := r.Kind() // there is no such probe, or no such hook
		return word == "sleep" && !why.hook || (word == "grpc" || word == "tcpSocket") && why.hook
	})
	if len(list) > 0 {
		d.note("%s runs %q: %s does it without a program of the image", why.name, argv[0], cmdline.OneOf(list))
	}
	return list
}

// insteadOf is what takes the place of one program of a probe: what does its
// work, and for a shell or wrapper what does the probe's.
func insteadOf(program string, list []cmdline.Replacement, why use) []string {
	var own []string
	for _, r := range list {
		if r.Tool == program {
			own = append(own, why.name+": "+r.Instead)
		}
	}
	if len(own) == 0 && len(list) > 0 {
		own = []string{why.name + ": " + cmdline.OneOf(list)}
	}
	return own
}

func (d *declarer) note(format string, args ...any) {
	d.notes = append(d.notes, fmt.Sprintf(format, args...))
}

func (d *declarer) seenBy(id string) {
	p := &d.out
	for i := range p.Executables {
		p.Executables[i].Seen = profile.Seen{id: {}}
	}
	for i := range p.Files {
		p.Files[i].Seen = []string{id}
	}
	for i := range p.Network.Listen {
		p.Network.Listen[i].Seen = profile.Seen{id: {}}
	}
	for i := range p.Capabilities {
		p.Capabilities[i].Seen = []string{id}
	}
}
