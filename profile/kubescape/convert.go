package kubescape

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// converter makes a profile of one container of one object.
type converter struct {
	from   selected
	about  profile.Source // what is known of every source of the input
	opts   foreign.Options
	out    profile.Profile
	images []profile.Image
	said   []string

	assumed, nameless, unusable, portless, loose int
	edges                                        int
	runtime                                      bool
	outside                                      map[string]int64
}

// convert makes the profile of one source.
func convert(s selected, about profile.Source, opts foreign.Options) (*profile.Profile, error) {
	c := &converter{from: s, about: about, opts: opts, outside: map[string]int64{}}
	for _, x := range s.container.Execs {
		c.exec(x)
	}
	for _, f := range s.container.Opens {
		c.open(f)
	}
	for _, n := range s.container.Egress {
		c.egress(n)
	}
	for _, n := range s.container.Ingress {
		c.ingress(n)
	}
	if c.edges > maxEdges {
		return nil, fmt.Errorf("%s: its peers and ports make more than %d pairs", s.object.title(), maxEdges)
	}
	c.syscalls()
	c.imageOf()
	source := c.source()
	c.out.Metadata.Name = opts.Name
	c.out.Images = c.images
	c.out.Sources = []profile.Source{source}
	for prefix, n := range c.outside {
		c.out.Outside = append(c.out.Outside, profile.Outside{Prefix: prefix, Seen: profile.Seen{"": {N: n}}})
	}
	c.seenBy(source.ID)
	return &c.out, nil
}

// seenBy puts the source into every entry.
func (c *converter) seenBy(id string) {
	p := &c.out
	for i := range p.Executables {
		p.Executables[i].Seen = profile.Seen{id: {}}
	}
	for i := range p.Files {
		p.Files[i].Seen = []string{id}
	}
	for i := range p.Patterns {
		p.Patterns[i].Seen = []string{id}
	}
	for i := range p.Network.Accept {
		p.Network.Accept[i].Seen = profile.Seen{id: {}}
	}
	for i := range p.Network.Connect {
		p.Network.Connect[i].Seen = profile.Seen{id: {}}
	}
	for i := range p.Syscalls {
		p.Syscalls[i].Seen = []string{id}
	}
	for i := range p.Capabilities {
		p.Capabilities[i].Seen = []string{id}
	}
	for i := range p.Outside {
		p.Outside[i].Seen = profile.Seen{id: p.Outside[i].Seen[""]}
	}
}

// exec takes an execution.
func (c *converter) exec(x exec) {
	path, argv0 := x.Path, ""
	if len(x.Args) > 0 {
		argv0 = x.Args[0]
	}
	if !strings.Contains(path, "/") && strings.HasPrefix(argv0, "/") {
		path = argv0
	}
	if path == "" {
		path = argv0
	}
	path, deleted := strings.CutSuffix(blurred(path), " (deleted)")
	switch {
	case !usable(path):
		c.unusable++
		return
	case wild(path):
		c.upperBound(rooted(globOf(path)), path, profile.AccessExec)
		c.script(x, nil)
		return
	case !strings.Contains(path, "/"):
		c.named(path)
		c.script(x, nil)
		return
	case !strings.HasPrefix(path, "/"):
		c.assumed++
		path = below(c.opts.Dir, path)
	}
	if prefix := profile.OutsidePrefix(profile.Path(path)); prefix != "" {
		c.outside[prefix]++
		return
	}
	e := profile.Executable{Path: profile.Path(path), Origin: []string{profile.OriginUnknown}, Layer: []string{profile.LayerUnknown}}
	switch {
	case strings.HasPrefix(base(path), "memfd:") || strings.HasPrefix(path, "/memfd:"):
		e.Layer = []string{profile.LayerMemfd}
	case deleted:
		e.Layer = []string{profile.LayerUpper, profile.LayerUnknown}
	}
	if strings.HasPrefix(base(argv0), "runc") {
		c.runtime = true
		e.Origin = []string{profile.OriginRuntime}
	}
	if usable(argv0) && !wild(argv0) {
		e.As = profile.Applet(e.Path, argv0)
		if strings.HasPrefix(argv0, "/") && argv0 != path {
			e.Via = []profile.Path{profile.Path(argv0)}
		}
	}
	c.script(x, &e)
	c.out.Executables = append(c.out.Executables, e)
}

// script takes the script that an interpreter ran.
func (c *converter) script(x exec, by *profile.Executable) {
	name := base(x.Path)
	if by != nil && by.As != "" && name == "busybox" {
		name = by.As
	}
	if !interpreter(name) {
		return
	}
	script := scriptOf(x.Args)
	switch {
	case !usable(script), profile.OutsidePrefix(profile.Path(script)) != "":
	case wild(script):
		c.upperBound(globOf(script), script, profile.AccessExec)
	case by != nil:
		by.Scripts = []profile.Path{profile.Path(script)}
	default:
		c.out.Executables = append(c.out.Executables, profile.Executable{Path: profile.Path(script), Origin: []string{profile.OriginUnknown}})
	}
}

// maxComm is the length at which the kernel cuts the name of a thread.
const maxComm = 15

// named takes a program of which only the name is known.
func (c *converter) named(name string) {
	c.nameless++
	glob := "/**/" + literal(name)
	if len(name) == maxComm {
		glob += "*"
	}
	c.upperBound(glob, name, profile.AccessExec)
}

// open takes a path that was opened, or that something tried to open.
func (c *converter) open(f open) {
	path := blurred(f.Path)
	if !usable(path) {
		c.unusable++
		return
	}
	access := accessOf(f.Flags)
	if !strings.HasPrefix(path, "/") {
		c.assumed++
		path = below(c.opts.Dir, path)
	}
	if prefix := profile.OutsidePrefix(profile.Path(path)); prefix != "" {
		c.runtime = c.runtime || path == "/proc/sys/kernel/cap_last_cap" || strings.HasPrefix(path, "/proc/") && base(path) == "setgroups"
		c.outside[prefix]++
		return
	}
	if wild(path) {
		c.upperBound(globOf(path), f.Path, access...)
		return
	}
	c.out.Files = append(c.out.Files, profile.File{Path: profile.Path(path), Access: access})
}

// accessOf gives the accesses that flags of open ask for.
func accessOf(flags []string) []string {
	out := []string{profile.AccessOpen}
	for _, flag := range flags {
		switch flag {
		case "O_RDONLY":
			out = append(out, profile.AccessRead)
		case "O_WRONLY":
			out = append(out, profile.AccessWrite)
		case "O_RDWR":
			out = append(out, profile.AccessRead, profile.AccessWrite)
		case "O_CREAT":
			out = append(out, profile.AccessCreate)
		}
	}
	return out
}

// upperBound takes a path with wildcards. What it was made of is remembered
// without the path, which may hold names that differ for each run.
func (c *converter) upperBound(glob, from string, access ...string) {
	how := "kubescape:name"
	switch {
	case strings.Contains(from, dots):
		how = "kubescape:" + dots
	case wild(from):
		how = "kubescape:*"
	}
	c.out.Patterns = append(c.out.Patterns, profile.Pattern{Glob: glob, Access: slices.Clone(access), From: []string{how}})
}

// rooted makes a glob absolute.
func rooted(glob string) string {
	if strings.HasPrefix(glob, "/") {
		return glob
	}
	return "/**/" + strings.TrimPrefix(glob, "./")
}

// syscalls takes system calls and capabilities.
func (c *converter) syscalls() {
	var arch []string
	if a := c.arch(); a != "" {
		arch = []string{a}
	}
	for _, name := range c.from.container.Syscalls {
		if !isWord(name) {
			c.unusable++
			continue
		}
		c.out.Syscalls = append(c.out.Syscalls, profile.Syscall{Name: name, Arch: arch})
	}
	for _, name := range c.from.container.Capabilities {
		name = strings.TrimPrefix(strings.ToUpper(name), "CAP_")
		if !isWord(strings.ToLower(name)) {
			c.unusable++
			continue
		}
		c.out.Capabilities = append(c.out.Capabilities, profile.Capability{Name: name})
	}
}
