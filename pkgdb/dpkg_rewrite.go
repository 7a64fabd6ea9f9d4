package pkgdb

import (
	"bytes"
	"path"
	"strings"
)

// dpkg adds the changes of dpkg's database.
func (e *edit) dpkg(d *dpkgDB) error {
	steps := []func(*dpkgDB) error{e.dpkgStatus, e.dpkgStatusD, e.dpkgInfo, e.dpkgDiversions, e.dpkgOverrides}
	for _, step := range steps {
		if err := step(d); err != nil {
			return err
		}
	}
	return nil
}

// dpkgStatus edits status.
func (e *edit) dpkgStatus(d *dpkgDB) error {
	name := d.dir + "/status"
	content, ok, err := e.tree.read(name)
	if err != nil || !ok {
		return err
	}
	out, _ := e.control(content)
	e.out.set(name, content, out)
	return nil
}

// dpkgStatusD edits status.d: a file whose packages are all dropped goes, with
// its checksums.
func (e *edit) dpkgStatusD(d *dpkgDB) error {
	for _, base := range d.statusD {
		if strings.HasSuffix(base, ".md5sums") {
			continue
		}
		name := path.Join(d.dir, "status.d", base)
		content, _, err := e.tree.read(name)
		if err != nil {
			return err
		}
		sums, hasSums, err := e.tree.read(name + ".md5sums")
		if err != nil {
			return err
		}
		out, kept := e.control(content)
		if kept == 0 && len(out) != len(content) {
			e.out[name] = &Change{Drop: true}
			if hasSums {
				e.out[name+".md5sums"] = &Change{Drop: true}
			}
			continue
		}
		e.out.set(name, content, out)
		if hasSums {
			e.out.set(name+".md5sums", sums, e.sums(sums, nil))
		}
	}
	return nil
}

// control drops the paragraphs of dropped packages, and from the others the
// Conffiles lines of gone files. It returns how many packages stay.
func (e *edit) control(content []byte) (out []byte, kept int) {
	out = make([]byte, 0, len(content))
	for _, p := range paragraphs(content) {
		pkg, ok := newDpkgPackage(p)
		if ok && e.drop[pkg.key()] {
			continue
		}
		if ok {
			kept++
			out = append(out, e.conffilesField(p, e.packages[pkg.key()])...)
		} else {
			out = append(out, p.raw...)
		}
	}
	return out, kept
}

// conffilesField returns the raw paragraph without the lines of gone files in
// its Conffiles field, and without the field when no line is left.
func (e *edit) conffilesField(p paragraph, pkg *Package) []byte {
	var out []byte
	at := 0 // in p.raw, behind what was copied
	for _, f := range p.fields {
		if f.name != "conffiles" {
			continue
		}
		first := lineEnd(f.raw, 0)
		left := false
		lines := filterLines(f.raw[first:], func(line []byte) bool {
			words := bytes.Fields(line)
			keep := len(words) == 0 || !e.isGone(string(words[0]), pkg)
			left = left || keep && len(words) > 0
			return keep
		})
		if len(lines) == len(f.raw)-first {
			continue
		}
		out = append(out, p.raw[at:f.at]...)
		if left {
			out = append(out, f.raw[:first]...)
		}
		out = append(out, lines...)
		at = f.at + len(f.raw)
	}
	return append(out, p.raw[at:]...)
}

// isGone says whether a recorded path is gone; what is no path is not.
func (e *edit) isGone(line string, pkg *Package) bool {
	name, ok := recorded(line)
	if !ok {
		return false
	}
	if pkg != nil {
		name = pkg.place(name)
	}
	return e.gone(name)
}

// dpkgInfo edits info/: files of dropped packages go, lists lose lines. Files
// that describe no known package stay.
func (e *edit) dpkgInfo(d *dpkgDB) error {
	stays := make(map[string]*Package, len(d.bases))
	for base, keys := range d.bases {
		for _, k := range keys {
			if !e.drop[k] {
				stays[base] = e.packages[k]
			}
		}
	}
	for _, file := range d.info {
		ext := path.Ext(file)
		base := strings.TrimSuffix(file, ext)
		if len(d.bases[base]) == 0 || ext == "" {
			continue
		}
		name := path.Join(d.dir, "info", file)
		if stays[base] == nil {
			e.out[name] = &Change{Drop: true}
			continue
		}
		if err := e.dpkgInfoFile(name, ext, stays[base]); err != nil {
			return err
		}
	}
	return nil
}

// dpkgInfoFile takes the gone paths out of a file list. Checksums and
// conffiles without any line left go; the list stays, dpkg insists on it.
func (e *edit) dpkgInfoFile(name, ext string, pkg *Package) error {
	if ext != ".list" && ext != ".md5sums" && ext != ".conffiles" {
		return nil
	}
	content, ok, err := e.tree.read(name)
	if err != nil || !ok {
		return err
	}
	var out []byte
	switch ext {
	case ".list":
		out = e.list(content, pkg)
	case ".md5sums":
		out = e.sums(content, pkg)
	default:
		out = filterLines(content, func(line []byte) bool {
			words := bytes.Fields(line)
			return len(words) == 0 || !e.isGone(string(words[len(words)-1]), pkg)
		})
	}
	if len(out) == 0 && len(content) > 0 && ext != ".list" {
		e.out[name] = &Change{Drop: true}
		return nil
	}
	e.out.set(name, content, out)
	return nil
}

// list filters an info/*.list file. The directories of what remains stay.
func (e *edit) list(content []byte, pkg *Package) []byte {
	above := map[string]bool{}
	gone := map[string]bool{}
	for _, name := range parseList(content) {
		if e.gone(pkg.place(name)) {
			gone[name] = true
		} else {
			addParents(above, name)
		}
	}
	return filterLines(content, func(line []byte) bool {
		name, ok := recorded(string(line))
		return !ok || !gone[name] || above[name]
	})
}

// sums filters a *.md5sums file.
func (e *edit) sums(content []byte, pkg *Package) []byte {
	return filterLines(content, func(line []byte) bool {
		name, ok := sumPath(string(line))
		return !ok || !e.isGone(name, pkg)
	})
}

// dpkgDiversions drops the diversions of dropped packages, but not those by
// which a file of a package that stays is elsewhere: its list would lie.
func (e *edit) dpkgDiversions(d *dpkgDB) error {
	name := d.dir + "/diversions"
	content, ok, err := e.tree.read(name)
	if err != nil || !ok {
		return err
	}
	names := e.names("dpkg")
	inUse := map[string]bool{}
	for k, p := range e.packages {
		for from, to := range p.Diverted {
			if !e.drop[k] && !e.gone(to) {
				inUse[from] = true
			}
		}
	}
	var out []byte
	for at := 0; at < len(content); {
		second := lineEnd(content, at)
		third := lineEnd(content, second)
		next := lineEnd(content, third)
		from, _ := recorded(string(bytes.TrimRight(content[at:second], "\r\n")))
		if inUse[from] || !names[string(bytes.TrimRight(content[third:next], "\r\n"))] {
			out = append(out, content[at:next]...)
		}
		at = next
	}
	e.out.set(name, content, out)
	return nil
}

// dpkgOverrides drops the lines of gone paths from statoverride: user, group,
// mode, path.
func (e *edit) dpkgOverrides(d *dpkgDB) error {
	name := d.dir + "/statoverride"
	content, ok, err := e.tree.read(name)
	if err != nil || !ok {
		return err
	}
	e.out.set(name, content, filterLines(content, func(line []byte) bool {
		words := strings.SplitN(string(line), " ", 4)
		return len(words) < 4 || !e.isGone(words[3], nil)
	}))
	return nil
}
