package profile

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// Resolver follows path through the symbolic links of an image, as the kernel
// would with the image as root. It returns the path of what is there, free of
// links, and every link that was followed; ok is false where there is nothing.
// Paths are absolute, may hold "..", and are bytes, not necessarily UTF-8.
type Resolver func(path string) (target string, links []string, ok bool)

// Absent is a path of a profile that the image does not have.
type Absent struct {
	Section string   `json:"section"` // executables, scripts, loader or files
	Path    Path     `json:"path"`
	Access  []string `json:"access,omitempty"` // of a file
	By      []string `json:"by,omitempty"`     // executable keys: who used the file, or ran the script
	Moved   bool     `json:"moved,omitempty"`  // now in missing, since no source of it tells failed lookups apart
}

// ErrBound is returned by [Bind] for a profile that is bound already.
var ErrBound = errors.New("the profile is bound to an image already")

// Bind resolves the paths of executables and files in an image. What a spelling
// leads to ([Lookup.Find]) becomes the entry's path; the spelling and the links on the way go
// into its via; entries that fall together are merged. An entry with spellings
// that lead to different files becomes one entry for each. Paths below /proc,
// /sys and /dev are only counted, in outside. Scripts and loaders are looked up
// but stay as recorded: what they need is for the planner to say.
//
// What the image does not have is in the second result, sorted: it was in a
// volume, was written at run time, or is gone. If none of its sources tells
// failed lookups from others, it may never have been there, and is in the
// result's missing as well. Keys in by and parents are changed with the
// executables; those of absent executables stay as they are.
func Bind(p *Profile, root Root) (*Profile, []Absent, error) {
	if p.IsBound() {
		return nil, nil, ErrBound
	}
	b := &binder{
		resolve: root.Resolve, lookup: NewLookup(root, p.Sources), keys: map[string]string{}, failures: map[string]bool{},
	}
	for _, s := range p.Sources {
		if slices.Contains(s.Observes, ObservesOpenFailed) {
			b.failures[sourceKey(s)] = true
		}
	}
	out := *p
	out.Executables = b.executables(p.Executables)
	b.missing = slices.Clone(p.Missing)
	out.Files = b.files(p.Files)
	out.Missing = b.rebindMissing()
	out.Outside = slices.Concat(p.Outside, b.counted)
	out.Network = b.network(p.Network)
	out.Capabilities = slices.Clone(p.Capabilities)
	for i := range out.Capabilities {
		out.Capabilities[i].By = b.rekey(out.Capabilities[i].By)
	}
	merged, err := Merge(&out)
	if err != nil {
		return nil, nil, err
	}
	return merged, b.sortedAbsent(), nil
}

// binder is the state of one [Bind].
type binder struct {
	resolve  Resolver
	lookup   *Lookup
	keys     map[string]string // old executable key to new one
	failures map[string]bool   // sources that tell failed lookups apart
	missing  []Missing
	counted  []Outside
	absent   []Absent
}

// place is a file in the image and the spellings that lead to it.
type place struct {
	target string
	via    []Path
}

// places finds what spellings lead to, the first of which is the most trusted
// one, of a path that the sources of these ids recorded.
func (b *binder) places(spelling Path, via []Path, seenBy []string) []place {
	var out []place
	index := map[string]int{}
	for _, spelling := range append([]Path{spelling}, via...) {
		found := b.lookup.Find(spelling, seenBy)
		if found.Path == "" {
			continue
		}
		i, ok := index[found.Path]
		if !ok {
			i = len(out)
			index[found.Path] = i
			out = append(out, place{target: found.Path})
		}
		if string(spelling) != found.Path {
			out[i].via = append(out[i].via, spelling)
		}
		for _, link := range found.Links {
			if link != found.Path {
				out[i].via = append(out[i].via, Path(link))
			}
		}
	}
	return out
}

func (b *binder) executables(list []Executable) []Executable {
	var out []Executable
	for _, x := range list {
		places := b.places(x.Path, x.Via, sortedKeys(x.Seen))
		if len(places) == 0 {
			b.absent = append(b.absent, Absent{Section: "executables", Path: x.Path})
			continue
		}
		argv0 := x.As
		if argv0 == "" {
			argv0 = string(x.Path)
		}
		for i, at := range places {
			bound := x
			bound.Path, bound.Via, bound.Bound = Path(at.target), at.via, true
			bound.As = Applet(bound.Path, argv0)
			bound.Key = executableKey(bound)
			if i == 0 {
				b.keys[executableKey(x)] = bound.Key
			}
			out = append(out, bound)
		}
	}
	for i := range out {
		out[i].Parents = b.rekey(out[i].Parents)
		b.lookUp("scripts", out[i].Scripts, out[i].Key)
		b.lookUp("loader", out[i].Loader, out[i].Key)
	}
	return out
}

func (b *binder) lookUp(section string, paths []Path, by string) {
	for _, p := range paths {
		if _, _, ok := b.resolve(string(p)); !ok {
			b.absent = append(b.absent, Absent{Section: section, Path: p, By: []string{by}})
		}
	}
}

// rekey maps keys of executables to those they have in the image.
func (b *binder) rekey(keys []string) []string {
	out := slices.Clone(keys)
	for i, key := range out {
		bound, ok := b.keys[key]
		if !ok {
			bound = b.boundKey(key)
			b.keys[key] = bound
		}
		out[i] = bound
	}
	return out
}

// boundKey is the key in the image of an executable that has no entry.
func (b *binder) boundKey(key string) string {
	path, applet := SplitKey(key)
	target, _, ok := b.resolve(string(path))
	if !ok {
		return key
	}
	return Key(Path(target), Applet(Path(target), cmp.Or(applet, string(path))))
}

func (b *binder) files(list []File) []File {
	var out []File
	for _, f := range list {
		if prefix := OutsidePrefix(f.Path); prefix != "" {
			b.count(prefix, f.Seen)
			continue
		}
		f.By = b.rekey(f.By)
		places := b.places(f.Path, f.Via, f.Seen)
		if len(places) == 0 {
			b.noFile(f)
			continue
		}
		for _, at := range places {
			bound := f
			bound.Path, bound.Via, bound.Bound = Path(at.target), at.via, true
			out = append(out, bound)
		}
	}
	return out
}

// noFile accounts for a file that the image does not have.
func (b *binder) noFile(f File) {
	mayFail := !slices.ContainsFunc(f.Seen, func(id string) bool { return b.failures[id] })
	b.absent = append(b.absent, Absent{Section: "files", Path: f.Path, Access: f.Access, By: f.By, Moved: mayFail})
	if mayFail {
		b.missing = append(b.missing, Missing{Path: f.Path, Ops: f.Access, By: f.By, Seen: f.Seen})
	}
}

// count counts a file below prefix once for each of its sources.
func (b *binder) count(prefix string, ids []string) {
	i := slices.IndexFunc(b.counted, func(o Outside) bool { return o.Prefix == prefix })
	if i < 0 {
		i = len(b.counted)
		b.counted = append(b.counted, Outside{Prefix: prefix, Seen: Seen{}})
	}
	for _, id := range ids {
		b.counted[i].Seen[id] = Count{N: b.counted[i].Seen[id].N + 1}
	}
}

func (b *binder) rebindMissing() []Missing {
	for i := range b.missing {
		b.missing[i].By = b.rekey(b.missing[i].By)
	}
	return b.missing
}

func (b *binder) network(n Network) Network {
	n.Listen, n.Accept = slices.Clone(n.Listen), slices.Clone(n.Accept)
	n.Connect, n.DNS = slices.Clone(n.Connect), slices.Clone(n.DNS)
	for i := range n.Listen {
		n.Listen[i].By = b.rekey(n.Listen[i].By)
	}
	for i := range n.Accept {
		n.Accept[i].By = b.rekey(n.Accept[i].By)
	}
	for i := range n.Connect {
		n.Connect[i].By = b.rekey(n.Connect[i].By)
	}
	for i := range n.DNS {
		n.DNS[i].By = b.rekey(n.DNS[i].By)
	}
	return n
}

func (b *binder) sortedAbsent() []Absent {
	for i := range b.absent {
		b.absent[i].Access = union(b.absent[i].Access, nil)
		b.absent[i].By = union(b.absent[i].By, nil)
	}
	slices.SortFunc(b.absent, func(x, y Absent) int {
		return cmp.Or(strings.Compare(x.Section, y.Section), strings.Compare(string(x.Path), string(y.Path)),
			slices.Compare(x.By, y.By))
	})
	return b.absent
}

// OutsidePrefix is /proc, /sys or /dev where path is below one of these, which
// no image fills, and else "".
func OutsidePrefix(path Path) string {
	for _, prefix := range []string{"/proc", "/sys", "/dev"} {
		if rest, ok := strings.CutPrefix(string(path), prefix); ok && (rest == "" || rest[0] == '/') {
			return prefix
		}
	}
	return ""
}
