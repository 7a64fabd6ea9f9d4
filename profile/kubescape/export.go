package kubescape

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/lathe-build/lathe/profile"
)

// ExportOptions name the object that [Export] writes. What is empty is taken
// from the profile's sources, where they agree.
type ExportOptions struct {
	Name      string // of the object
	Namespace string
	Container string
}

// ErrNoContainer is returned by [Export] where the name of the container is not
// known, by which kubescape finds what to enforce.
var ErrNoContainer = errors.New("the name of the container is not known")

// ErrName is returned by [Export] for names that Kubernetes does not take, or
// that do not fit into the label by which a pod names its profile.
var ErrName = errors.New("a name that Kubernetes does not take")

// maxLabel is how long names of containers and values of labels may be.
const maxLabel = 63

// check refuses names that the cluster would.
func (o ExportOptions) check() error {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	for _, n := range []struct{ what, name, inner string }{
		{"object", o.Name, "-."}, {"namespace", o.Namespace, "-"}, {"container", o.Container, "-"},
	} {
		name := n.name
		if name == "" && n.what == "namespace" {
			continue
		}
		if name == "" || len(name) > maxLabel || strings.Trim(name, letters+n.inner) != "" ||
			!strings.Contains(letters, name[:1]) || !strings.Contains(letters, name[len(name)-1:]) {
			return fmt.Errorf("%w: %q of the %s", ErrName, name, n.what)
		}
	}
	return nil
}

// exported is an ApplicationProfile as it is written.
type exported struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Metadata   exportedMetadata `json:"metadata"`
	Spec       exportedSpec     `json:"spec"`
}

type exportedMetadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Annotations map[string]string `json:"annotations"`
}

type exportedSpec struct {
	Architectures []string            `json:"architectures,omitempty"`
	Containers    []exportedContainer `json:"containers"`
}

type exportedContainer struct {
	Name         string         `json:"name"`
	ImageID      string         `json:"imageID,omitempty"`
	ImageTag     string         `json:"imageTag,omitempty"`
	Capabilities []string       `json:"capabilities,omitempty"`
	Execs        []exportedExec `json:"execs,omitempty"`
	Opens        []exportedOpen `json:"opens,omitempty"`
	Syscalls     []string       `json:"syscalls,omitempty"`
}

type exportedExec struct {
	Path string   `json:"path"`
	Args []string `json:"args,omitempty"`
}

type exportedOpen struct {
	Path  string   `json:"path"`
	Flags []string `json:"flags"`
}

// anyArgs stands for any number of arguments.
const anyArgs = dots + dots

// Export writes p as an ApplicationProfile that people manage, in YAML: what
// kubescape's agent is to take as expected of a pod that names it. Programs that
// only people ran are left out. Arguments are free, except that the scripts of
// interpreters are named, too. Paths that were asked for and not there are among
// the opens, as in the agent's own profiles. It also returns how many entries
// the format cannot hold: paths that are not UTF-8, or hold its wildcards.
func Export(p *profile.Profile, o ExportOptions) (data []byte, left int, err error) {
	if p, err = profile.Merge(p); err != nil {
		return nil, 0, err
	}
	o.complete(p)
	if o.Container == "" {
		return nil, 0, ErrNoContainer
	}
	if err := o.check(); err != nil {
		return nil, 0, err
	}
	e := exporter{opens: map[string]map[string]bool{}, execs: map[string]exportedExec{}}
	e.container = exportedContainer{Name: o.Container}
	e.programs(p)
	e.files(p)
	e.image(p)
	for _, s := range p.Syscalls {
		e.container.Syscalls = append(e.container.Syscalls, s.Name)
	}
	for _, c := range p.Capabilities {
		e.container.Capabilities = append(e.container.Capabilities, c.Name)
	}
	e.finish()
	out, err := yaml.Marshal(exported{
		APIVersion: Group + "/v1beta1", Kind: kindApplication,
		Metadata: exportedMetadata{Name: o.Name, Namespace: o.Namespace, Annotations: map[string]string{"kubescape.io/managed-by": "User"}},
		Spec:     exportedSpec{Architectures: architectures(p), Containers: []exportedContainer{e.container}},
	})
	if err != nil {
		return nil, 0, fmt.Errorf("writing the ApplicationProfile: %w", err)
	}
	return out, e.left, nil
}

// complete takes from the sources what is not given.
func (o *ExportOptions) complete(p *profile.Profile) {
	agreed := func(of func(profile.Subject) string) string {
		var all []string
		for _, s := range p.Sources {
			if name := of(s.Subject); name != "" {
				all = append(all, name)
			}
		}
		slices.Sort(all)
		if all = slices.Compact(all); len(all) == 1 {
			return all[0]
		}
		return ""
	}
	for _, f := range []struct {
		field *string
		of    func(profile.Subject) string
	}{
		{&o.Container, func(s profile.Subject) string { return s.Container }},
		{&o.Namespace, func(s profile.Subject) string { return s.Workload.Namespace }},
		{&o.Name, func(s profile.Subject) string { return s.Workload.Name }},
	} {
		if *f.field == "" {
			*f.field = agreed(f.of)
		}
	}
	if o.Name == "" {
		o.Name = o.Container
	}
}

type exporter struct {
	container exportedContainer
	opens     map[string]map[string]bool // flags
	execs     map[string]exportedExec
	left      int
}

// programs takes executables and patterns of executions.
func (e *exporter) programs(p *profile.Profile) {
	byHand := p.ByHand()
	for _, x := range p.Executables {
		if !byHand(&x) {
			e.program(x)
		}
	}
	for _, x := range p.Patterns {
		if !slices.Contains(x.Access, profile.AccessExec) {
			continue
		}
		path := pathOf(x.Glob)
		if name, ok := strings.CutPrefix(path, "/*/"); ok && !strings.Contains(name, "/") && !strings.Contains(name, dots) {
			path = name
		}
		e.execs[path] = exportedExec{Path: path}
	}
}

// program takes an executable by all its names, alone and with each script.
func (e *exporter) program(x profile.Executable) {
	argv0 := string(x.Path)
	if x.As != "" {
		argv0 = x.As
	}
	for _, via := range x.Via {
		if x.As != "" && base(string(via)) == x.As {
			argv0 = string(via)
		}
	}
	for _, path := range append([]profile.Path{x.Path}, x.Via...) {
		first := argv0
		if x.As == "" {
			first = string(path)
		}
		e.exec(string(path), first)
		for _, script := range x.Scripts {
			e.exec(string(path), first, string(script))
		}
	}
}

func (e *exporter) exec(path string, args ...string) {
	for _, text := range append([]string{path}, args...) {
		if !utf8.ValidString(text) || strings.Contains(text, dots) {
			e.left++
			return
		}
	}
	e.execs[path+"\x00"+strings.Join(args, "\x00")] = exportedExec{Path: path, Args: append(args, anyArgs)}
}

// files takes what was opened, and what was tried.
func (e *exporter) files(p *profile.Profile) {
	for _, f := range p.Files {
		flags := flagsOf(f.Access)
		if flags == nil {
			continue
		}
		for _, path := range append([]profile.Path{f.Path}, f.Via...) {
			e.open(string(path), flags)
		}
	}
	for _, m := range p.Missing {
		if slices.ContainsFunc(m.Ops, func(op string) bool { return strings.HasPrefix(op, "open") || op == profile.AccessRead }) {
			e.open(string(m.Path), flagsOf([]string{profile.AccessRead}))
		}
	}
	for _, x := range p.Patterns {
		if flags := flagsOf(x.Access); flags != nil {
			e.add(pathOf(x.Glob), flags)
		}
	}
	for _, o := range p.Outside {
		e.add(o.Prefix+"/*", []string{"O_RDONLY", "O_WRONLY", "O_RDWR"})
	}
}

func (e *exporter) open(path string, flags []string) {
	if !utf8.ValidString(path) || wild(path) {
		e.left++
		return
	}
	e.add(path, flags)
}

func (e *exporter) add(path string, flags []string) {
	if e.opens[path] == nil {
		e.opens[path] = map[string]bool{}
	}
	for _, flag := range flags {
		e.opens[path][flag] = true
	}
}

// flagsOf are the flags of open that accesses need, or nil for accesses that
// open nothing.
func flagsOf(access []string) []string {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(access, w) })
	}
	var flags []string
	reads := has(profile.AccessRead, profile.AccessMmap, profile.AccessMmapExec, profile.AccessList)
	switch writes := has(profile.AccessWrite); {
	case reads && writes:
		flags = append(flags, "O_RDONLY", "O_RDWR", "O_WRONLY")
	case writes:
		flags = append(flags, "O_WRONLY")
	case reads, has(profile.AccessOpen):
		flags = append(flags, "O_RDONLY")
	}
	if has(profile.AccessCreate) {
		flags = append(flags, "O_CREAT")
	}
	if reads || has(profile.AccessOpen) {
		flags = append(flags, "O_CLOEXEC")
	}
	return flags
}

// pathOf makes a path with kubescape's wildcards of a profile's glob. What it
// has no wildcard for becomes a wider one.
func pathOf(glob string) string {
	segments := strings.Split(glob, "/")
	for i, segment := range segments {
		if segment == "**" {
			segments[i] = "*"
			continue
		}
		var b strings.Builder
		for j := 0; j < len(segment); j++ {
			switch c := segment[j]; c {
			case '\\':
				if j++; j < len(segment) {
					b.WriteByte(segment[j])
				}
			case '*', '?', '[':
				if end := strings.IndexByte(segment[j:], ']'); c == '[' && end > 0 {
					j += end
				}
				if !strings.HasSuffix(b.String(), dots) {
					b.WriteString(dots)
				}
			default:
				b.WriteByte(c)
			}
		}
		segments[i] = b.String()
	}
	return strings.Join(segments, "/")
}

// image takes the one image that the profile is about.
func (e *exporter) image(p *profile.Profile) {
	if len(p.Images) != 1 {
		return
	}
	img := p.Images[0]
	name := ""
	for _, ref := range img.Refs {
		if plain, _, pinned := strings.Cut(ref, "@"); pinned {
			name = plain
		} else {
			e.container.ImageTag = ref
		}
	}
	if name == "" {
		name = e.container.ImageTag
		if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
			name = name[:i]
		}
	}
	switch {
	case img.Digest != "" && name != "":
		e.container.ImageID = name + "@" + img.Digest
	case len(img.ConfigDigest) > 0:
		e.container.ImageID = img.ConfigDigest[0]
	}
}

// architectures are those of the images and of the machines that recorded.
func architectures(p *profile.Profile) []string {
	var out []string
	for _, img := range p.Images {
		if _, arch, ok := strings.Cut(img.Platform, "/"); ok {
			arch, _, _ = strings.Cut(arch, "/")
			out = append(out, arch)
		}
	}
	for _, s := range p.Sources {
		if s.Host.Arch != "" && len(p.Images) == 0 {
			out = append(out, s.Host.Arch)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// finish sorts what was collected.
func (e *exporter) finish() {
	for _, key := range slices.Sorted(maps.Keys(e.execs)) {
		e.container.Execs = append(e.container.Execs, e.execs[key])
	}
	for _, path := range slices.Sorted(maps.Keys(e.opens)) {
		e.container.Opens = append(e.container.Opens, exportedOpen{Path: path, Flags: slices.Sorted(maps.Keys(e.opens[path]))})
	}
}
