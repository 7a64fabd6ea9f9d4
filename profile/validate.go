package profile

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxProblems is how many problems [Profile.Validate] lists.
const maxProblems = 20

// maxSources is how many sources a profile may have: years of daily recordings.
const maxSources = 10_000

// Validate reports what is wrong with p: paths that are not absolute, unknown
// words, ports that are none, references to sources that are not there, and so
// on. The error joins up to 20 problems, each with its field.
func (p *Profile) Validate() error {
	if len(p.Sources) > maxSources {
		return fmt.Errorf("the profile is not valid: it has more than %d sources", maxSources)
	}
	v := &validator{sources: map[string]bool{}, known: map[string]bool{}}
	for i := range p.Sources {
		v.sources[sourceKey(p.Sources[i])] = true
	}
	each(v, "images", p.Images, v.image)
	each(v, "sources", p.Sources, v.source)
	each(v, "executables", p.Executables, v.executable)
	each(v, "files", p.Files, v.file)
	each(v, "patterns", p.Patterns, v.pattern)
	each(v, "missing", p.Missing, v.missing)
	each(v, "network.listen", p.Network.Listen, v.listen)
	each(v, "network.accept", p.Network.Accept, v.accept)
	each(v, "network.connect", p.Network.Connect, v.connect)
	each(v, "network.dns", p.Network.DNS, v.dns)
	each(v, "syscalls", p.Syscalls, v.syscall)
	each(v, "capabilities", p.Capabilities, v.capability)
	each(v, "outside", p.Outside, v.outside)
	v.section = ""
	if sameBinding([]*Profile{p}) != nil {
		v.problem("executables and files", "some are bound to an image and some are not")
	}
	return v.err()
}

// validator collects problems of one profile.
type validator struct {
	sources  map[string]bool
	known    map[string]bool // executable keys that were checked before
	section  string          // of the entry at hand
	entry    int
	problems []error
	more     int
}

// each validates the entries of one section.
func each[T any](v *validator, section string, entries []T, check func(T)) {
	for i := range entries {
		v.section, v.entry = section, i
		check(entries[i])
		if v.more > 0 {
			return
		}
	}
}

func (v *validator) err() error {
	if len(v.problems) == 0 {
		return nil
	}
	problems := v.problems
	if v.more > 0 {
		problems = append(slices.Clip(problems), errors.New("and more"))
	}
	return fmt.Errorf("the profile is not valid: %w", errors.Join(problems...))
}

func (v *validator) problem(name, format string, args ...any) {
	if len(v.problems) >= maxProblems {
		v.more++
		return
	}
	err := fmt.Errorf(format, args...)
	if name != "" {
		err = at(name, err)
	}
	if v.section != "" {
		err = at(fmt.Sprintf("%s[%d]", v.section, v.entry), err)
	}
	v.problems = append(v.problems, err)
}

func (v *validator) image(i Image) {
	if imageKey(i) == "" {
		v.problem("", "it has no digest, config digest or ref")
	}
	if i.Digest != "" {
		v.digest("digest", i.Digest)
	}
	v.digests("indexDigest", i.IndexDigest)
	v.digests("configDigest", i.ConfigDigest)
	v.digests("diffIDs", i.DiffIDs)
	if i.Platform != "" && !isPlatform(i.Platform) {
		v.problem("platform", "%q is not os/arch or os/arch/variant", shorten(i.Platform))
	}
	for _, ref := range i.Refs {
		v.name("refs", ref)
	}
}

func (v *validator) source(s Source) {
	if want := SourceID(s); s.ID != "" && s.ID != want {
		v.problem("id", "%q is not the id of this source, which is %q", shorten(s.ID), want)
	}
	if !oneOf(s.Kind, KindObserved, KindDeclared, KindStatic) {
		v.problem("kind", "%q is not observed, declared or static", shorten(s.Kind))
	}
	v.words("observes", s.Observes, observesWords())
	if s.Complete && s.Lost.Known && s.Lost.Events > 0 && !s.Vouched {
		v.problem("complete", "a source that lost %d events is not complete", s.Lost.Events)
	}
	if s.Lost.Events < 0 || s.Input.Bytes < 0 || s.Input.Records < 0 || s.Input.Skipped < 0 {
		v.problem("", "a count below zero")
	}
	if sum := s.Input.SHA256; sum != "" && !isHex(sum, 64) {
		v.problem("input.sha256", "%q is not 64 hex digits", shorten(sum))
	}
	v.timespan("window", s.Window.Start, s.Window.End)
	for _, style := range []string{s.Paths.Exec, s.Paths.Open} {
		if style != "" && !oneOf(style, "raw", "resolved", "both") {
			v.problem("paths", "%q is not raw, resolved or both", shorten(style))
		}
	}
	if root := s.Paths.Root; root != "" && !oneOf(root, "container", "host") {
		v.problem("paths.root", "%q is not container or host", shorten(root))
	}
}

func (v *validator) executable(x Executable) {
	v.path("path", x.Path)
	if want := executableKey(x); x.Key != "" && x.Key != want {
		v.problem("key", "%q is not the key of this path and applet, which is %q", shorten(x.Key), shorten(want))
	}
	if strings.Contains(x.As, "/") || strings.Contains(x.As, "\x00") {
		v.problem("as", "%q is not a base name", shorten(x.As))
	}
	v.paths("via", x.Via)
	v.paths("scripts", x.Scripts)
	v.paths("loader", x.Loader)
	v.keys("parents", x.Parents)
	v.words("origin", x.Origin, []string{OriginEntrypoint, OriginChild, OriginProbe, OriginAttach, OriginRuntime, OriginUnknown})
	v.phases(x.Phase)
	v.layers(x.Layer)
	for _, text := range x.Instead {
		v.name("instead", text)
	}
	v.seen(x.Seen)
}

func (v *validator) file(f File) {
	v.path("path", f.Path)
	v.paths("via", f.Via)
	v.words("access", f.Access, accessWords())
	v.keys("by", f.By)
	v.phases(f.Phase)
	v.layers(f.Layer)
	v.ids(f.Seen)
}

func (v *validator) pattern(x Pattern) {
	if !strings.HasPrefix(x.Glob, "/") {
		v.problem("glob", "%q is not absolute", shorten(x.Glob))
	}
	v.words("access", x.Access, accessWords())
	v.ids(x.Seen)
}

func (v *validator) missing(m Missing) {
	v.path("path", m.Path)
	for _, errno := range m.Errno {
		if !isWord(errno, upper, digit) {
			v.problem("errno", "%q is not the name of an error", shorten(errno))
		}
	}
	for _, op := range m.Ops {
		if !isWord(op, lower, digit, "_-") {
			v.problem("ops", "%q is not a system call or an access", shorten(op))
		}
	}
	v.keys("by", m.By)
	v.ids(m.Seen)
}

func (v *validator) syscall(s Syscall) {
	if !isWord(s.Name, lower, digit, "_") {
		v.problem("name", "%q is not the name of a system call", shorten(s.Name))
	}
	for _, arch := range s.Arch {
		if !isWord(arch, lower, digit, "_") {
			v.problem("arch", "%q is not an architecture", shorten(arch))
		}
	}
	v.ids(s.Seen)
}

func (v *validator) capability(c Capability) {
	if !isWord(c.Name, upper, digit, "_") || strings.HasPrefix(c.Name, "CAP_") {
		v.problem("name", "%q is not the name of a capability without CAP_", shorten(c.Name))
	}
	v.words("phase", c.Phase, []string{PhaseRuntime, PhaseApp})
	v.words("result", c.Result, []string{"granted", "denied"})
	v.keys("by", c.By)
	v.ids(c.Seen)
}

func (v *validator) outside(o Outside) {
	v.path("prefix", Path(o.Prefix))
	v.seen(o.Seen)
}

func (v *validator) path(name string, p Path) {
	switch {
	case !strings.HasPrefix(string(p), "/"):
		v.problem(name, "%q is not absolute", shorten(string(p)))
	case strings.Contains(string(p), "\x00"):
		v.problem(name, "%q holds a NUL", shorten(string(p)))
	}
}

func (v *validator) paths(name string, list []Path) {
	for _, p := range list {
		v.path(name, p)
	}
}

func (v *validator) keys(name string, list []string) {
	for _, key := range list {
		if v.known[key] {
			continue
		}
		v.known[key] = true
		if file, applet := SplitKey(key); !strings.HasPrefix(key, "/") || Key(file, applet) != key {
			v.problem(name, "%q is not the key of an executable", shorten(key))
		}
	}
}

func (v *validator) words(name string, list, known []string) {
	for _, word := range list {
		if !slices.Contains(known, word) {
			v.problem(name, "%q is not one of %s", shorten(word), strings.Join(known, ", "))
		}
	}
}

func (v *validator) phases(list []string) {
	v.words("phase", list, []string{PhaseStartup, PhaseServing, PhaseShutdown})
}

func (v *validator) layers(list []string) {
	v.words("layer", list, []string{LayerImage, LayerUpper, LayerVolume, LayerMemfd, LayerUnknown})
}

func (v *validator) ids(list []string) {
	for _, id := range list {
		if !v.sources[id] {
			v.problem("seen", "%q is not the id of a source", shorten(id))
		}
	}
}

func (v *validator) seen(seen Seen) {
	for _, id := range sortedKeys(seen) {
		v.ids([]string{id})
		c := seen[id]
		if c.N < 0 {
			v.problem("seen", "%d is not a count", c.N)
		}
		v.timespan("seen", c.First, c.Last)
	}
}

func (v *validator) timespan(name string, from, to time.Time) {
	for _, t := range []time.Time{from, to} {
		if year := t.UTC().Year(); year < 1 || year > 9999 {
			v.problem(name, "the year %d is out of range", year)
		}
	}
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		v.problem(name, "it ends before it starts")
	}
}

func (v *validator) digest(name, d string) {
	if !isDigest(d) {
		v.problem(name, "%q is not a digest such as sha256:0123…", shorten(d))
	}
}

func (v *validator) digests(name string, list []string) {
	for _, d := range list {
		v.digest(name, d)
	}
}

// name checks what people read: text without control characters.
func (v *validator) name(field, s string) {
	if s == "" || len(s) > 1024 || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		v.problem(field, "%q is not a name", shorten(s))
	}
}

func (v *validator) ip(field, s string, prefixes bool) {
	if _, err := netip.ParseAddr(s); err == nil {
		return
	}
	if _, err := netip.ParsePrefix(s); err != nil || !prefixes {
		v.problem(field, "%q is not an address", shorten(s))
	}
}
