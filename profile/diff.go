package profile

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Difference is what one profile holds and another does not, section by
// section. Sections without a difference are left out.
type Difference struct {
	Sections []SectionDifference `json:"sections"`
}

// SectionDifference is the difference of one section. Entries are named by what
// identifies them.
type SectionDifference struct {
	Section string   `json:"section"` // as in the document
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Changed []Change `json:"changed,omitempty"`
}

// Change is what became of the facts of an entry that both profiles have. Facts
// are written "field value"; counts and times are none.
type Change struct {
	Entry   string   `json:"entry"`
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
}

// Empty reports whether there is no difference.
func (d *Difference) Empty() bool { return len(d.Sections) == 0 }

// Compare says what b has more and less than a. Profiles of which one is bound
// to an image and one is not have [ErrMixed]: their paths mean different things.
func Compare(a, b *Profile) (*Difference, error) {
	if _, err := Merge(a, b); err != nil {
		return nil, err
	}
	a, err := Merge(a)
	if err != nil {
		return nil, err
	}
	if b, err = Merge(b); err != nil {
		return nil, err
	}
	d := &Difference{}
	compare(d, "images", a.Images, b.Images, imageText, nil)
	compare(d, "sources", a.Sources, b.Sources, sourceText, nil)
	compare(d, "executables", a.Executables, b.Executables, executableKey, executableFacts)
	compare(d, "files", a.Files, b.Files, func(f File) string { return string(f.Path) }, fileFacts)
	compare(d, "patterns", a.Patterns, b.Patterns, func(x Pattern) string { return x.Glob },
		func(x Pattern) []string { return facts(nil, "access", x.Access) })
	compare(d, "missing", a.Missing, b.Missing, func(m Missing) string { return string(m.Path) },
		func(m Missing) []string { return facts(facts(nil, "errno", m.Errno), "by", m.By) })
	n, m := a.Network, b.Network
	compare(d, "network.listen", n.Listen, m.Listen, listenText, func(l Listen) []string { return facts(nil, "phase", l.Phase) })
	compare(d, "network.accept", n.Accept, m.Accept, acceptText, func(x Accept) []string { return facts(nil, "by", x.By) })
	compare(d, "network.connect", n.Connect, m.Connect, connectText, connectFacts)
	compare(d, "network.dns", n.DNS, m.DNS, func(x DNS) string { return x.Name + " " + x.Type },
		func(x DNS) []string { return facts(facts(nil, "answer", x.Answers), "by", x.By) })
	compare(d, "syscalls", a.Syscalls, b.Syscalls, func(s Syscall) string { return s.Name }, nil)
	compare(d, "capabilities", a.Capabilities, b.Capabilities, func(c Capability) string { return c.Name }, nil)
	return d, nil
}

// compare adds the difference of a section. Entries of the same name count as
// one, with the facts of all.
func compare[T any](d *Difference, section string, a, b []T, name func(T) string, about func(T) []string) {
	index := func(list []T) map[string][]string {
		out := map[string][]string{}
		for _, x := range list {
			key := name(x)
			out[key] = append(out[key], "")
			if about != nil {
				out[key] = append(out[key], about(x)...)
			}
		}
		return out
	}
	before, after := index(a), index(b)
	s := SectionDifference{Section: section}
	for _, key := range sortedKeys(after) {
		if _, ok := before[key]; !ok {
			s.Added = append(s.Added, key)
		}
	}
	for _, key := range sortedKeys(before) {
		now, ok := after[key]
		if !ok {
			s.Removed = append(s.Removed, key)
			continue
		}
		old := union(before[key], nil)
		now = union(now, nil)
		if added, removed := minus(now, old), minus(old, now); added != nil || removed != nil {
			s.Changed = append(s.Changed, Change{Entry: key, Added: added, Removed: removed})
		}
	}
	if s.Added != nil || s.Removed != nil || s.Changed != nil {
		d.Sections = append(d.Sections, s)
	}
}

// minus is the sorted set a without b.
func minus(a, b []string) []string {
	var out []string
	for _, x := range a {
		if _, found := slices.BinarySearch(b, x); !found {
			out = append(out, x)
		}
	}
	return out
}

func facts[S ~string](list []string, field string, values []S) []string {
	for _, v := range values {
		list = append(list, field+" "+string(v))
	}
	return list
}

func executableFacts(x Executable) []string {
	list := facts(facts(facts(nil, "via", x.Via), "script", x.Scripts), "origin", x.Origin)
	list = facts(facts(list, "phase", x.Phase), "parent", x.Parents)
	if x.TTY {
		list = append(list, "tty")
	}
	return list
}

func fileFacts(f File) []string {
	return facts(facts(facts(facts(nil, "via", f.Via), "access", f.Access), "by", f.By), "phase", f.Phase)
}

func connectFacts(c Connect) []string {
	return facts(facts(facts(nil, "name", c.Peer.Names), "result", c.Results), "attribution", c.Attribution)
}

func imageText(i Image) string {
	key := imageKey(i)
	_, name, _ := strings.Cut(key, "\x00")
	return name
}

func sourceText(s Source) string {
	text := sourceKey(s) + " " + strings.Join(words(s.Recorder.Name, s.Recorder.Version), "")
	if s.Run != "" {
		text += " " + s.Run
	}
	return strings.TrimSpace(text)
}

func listenText(l Listen) string {
	return fmt.Sprintf("%s %s port %d%s", l.Proto, l.Addr, l.Port, byText(l.By))
}

func acceptText(a Accept) string {
	return fmt.Sprintf("%s port %d from %s", a.Proto, a.Port, peerText(a.Peer))
}

func connectText(c Connect) string {
	text := c.Proto + " " + peerText(c.Peer)
	if c.Port != 0 {
		text += " port " + strconv.Itoa(c.Port)
	}
	if c.Via.IP != "" || c.Via.Service != "" {
		text += fmt.Sprintf(" through %s port %d", strings.TrimSpace(c.Via.IP+" "+c.Via.Service), c.Via.Port)
	}
	return text + byText(c.By)
}

func peerText(p Peer) string {
	switch {
	case p.IP != "":
		return p.IP
	case p.Path != "":
		return string(p.Path)
	}
	parts := []string{}
	for _, part := range []string{p.K8s.Namespace, p.K8s.Kind, p.K8s.Name} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	for _, label := range sortedKeys(p.K8s.Labels) {
		parts = append(parts, label+"="+p.K8s.Labels[label])
	}
	if len(parts) == 0 {
		parts = p.Names
	}
	return strings.Join(parts, " ")
}

func byText(by []string) string {
	if len(by) == 0 {
		return ""
	}
	return " by " + strings.Join(by, ", ")
}

// Render writes d as text for people: a line for every entry, with + for what
// came, - for what went, and ~ for what changed.
func (d *Difference) Render(w io.Writer) error {
	out := bufio.NewWriter(w)
	line := func(format string, args ...any) {
		_, _ = fmt.Fprintf(out, format+"\n", args...) // Flush reports what went wrong
	}
	for _, s := range d.Sections {
		line("%s", s.Section)
		for _, entry := range s.Removed {
			line("- %s", printable(entry))
		}
		for _, entry := range s.Added {
			line("+ %s", printable(entry))
		}
		for _, c := range s.Changed {
			line("~ %s", printable(c.Entry))
			for _, fact := range c.Removed {
				line("  - %s", printable(fact))
			}
			for _, fact := range c.Added {
				line("  + %s", printable(fact))
			}
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the difference: %w", err)
	}
	return nil
}
