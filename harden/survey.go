package harden

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/lathe-build/lathe/elfdeps"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/pkgdb"
)

// class is what a path is to the rules.
type class uint8

const (
	data    class = iota
	dir           //
	link          // a symbolic link
	program       // R1
	script        // R1
	library       // an ELF file that is no program
	module        // code of an interpreter
)

// file is one path of the root filesystem with what the rules know of it.
type file struct {
	path    string
	entry   facts
	elf     *elfdeps.File
	shebang []string // words of a #! line
	owners  []*pkg
	target  string // of a link: where it ends; "" when it dangles
	applet  string // of another name of a multi-call binary: the binary
	class   class
	needed  bool // some ELF file of the image needs it
	command bool // a link in PATH to a script beside it
	above   bool // the level above keeps it
	spare   bool // a plugin that its package alone does not keep (R9)
	verdict
}

// verdict is what the rules have decided of a file so far.
type verdict struct {
	reason Reason
	kept   bool
	strong bool    // kept by use: brings its package with it
	barred bool    // a drop rule names it
	seen   bool    // observed by the profile, directly
	loaded bool    // seen running, mapped or opened
	runs   bool    // kept because it is run
	wanted *Reason // of a barred file: why it cannot be missed

	leftOver bool // nobody's, in a directory that only unused packages list
}

// facts are what the rules ask of an entry. A whole one for every path would be
// most of the memory of a plan.
type facts struct {
	Size     int64
	ID, Data int32 // as in [layers.Entry]
	Mode     fs.FileMode
	Type     layers.Type
}

func factsOf(e layers.Entry) facts {
	return facts{Size: e.Size, ID: int32(e.ID), Data: int32(e.Data), Mode: e.Mode, Type: e.Type} //nolint:gosec // layers counts entries in 32 bits
}

func (f *file) code() bool {
	return f.class == program || f.class == script || f.class == library || f.class == module
}

func (f *file) tool() bool { return f.class == program || f.class == script }

// pkg is a package with what the rules know of it.
type pkg struct {
	pkgdb.Package
	files    []*file // what it owns and is there, links included, directories not
	dirs     []*file
	hasCode  bool // programs, libraries, scripts or modules
	hasTools bool // programs or native libraries
	base     bool
	at       int               // its place among the packages
	notes    map[string]string // see note
	depends  map[string]bool   // see dependsOn
	provides map[string]bool
	usage
}

// usage is what the rules have found of a package so far.
type usage struct {
	use      use
	from     string // the path that made it used
	followed bool   // its dependencies are followed
	observed bool   // its code was observed, not only reached
	waiting  bool   // the rules have not seen the latest change
}

type use int

const (
	unused use = iota
	weak       // only data of it was used
	follow     // a used package depends on it
	strong
)

// sniffLen is how much of each file is read to classify it.
const sniffLen = 256

// survey looks at every path once: what it is, who owns it, where it leads.
func (p *planner) survey() error {
	for name := range p.tree.Paths() {
		e, _ := p.tree.Lookup(name)
		f := &file{path: e.Path, entry: factsOf(e)}
		p.files[f.path] = f
		p.order = append(p.order, f)
	}
	for _, f := range p.order {
		if err := p.classify(f); err != nil {
			return err
		}
	}
	p.claim()
	for _, f := range p.order {
		p.reclassify(f)
	}
	p.findApplets()
	p.findCommands()
	p.describePackages()
	return nil
}

func (p *planner) classify(f *file) error {
	switch f.entry.Type {
	case layers.Dir:
		f.class = dir
	case layers.Symlink:
		f.class = link
		if target, _, err := p.tree.Resolve(f.path); err == nil {
			f.target = target
		}
	case layers.Regular, layers.HardLink:
		return p.classifyContent(f)
	default:
		f.class = data
	}
	return nil
}

func (p *planner) classifyContent(f *file) error {
	if isModule(f.path) {
		f.class = module
	}
	if f.entry.Size < 4 {
		return nil
	}
	r, err := p.tree.Content(int(f.entry.ID))
	if err != nil {
		return fmt.Errorf("reading %q: %w", f.path, err)
	}
	head := make([]byte, min(sniffLen, f.entry.Size))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading %q: %w", f.path, err)
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		file, err := p.loader.File(f.path)
		if err != nil {
			p.note("malformed-elf", f.path, "not a wholly readable ELF file: "+err.Error())
		}
		if file == nil {
			return nil
		}
		f.elf = file
		f.class = classOfELF(file, err != nil, f.entry.Mode)
	case bytes.HasPrefix(head, []byte("#!")):
		f.shebang = parseShebang(head)
	}
	return nil
}

// classOfELF is R1. A shared object without a dynamic section, or with one that
// lies, cannot be loaded as a library; Linux starts it all the same, so that the
// x bit tells whether it is a program: packed ones look like this.
func classOfELF(f *elfdeps.File, damaged bool, mode fs.FileMode) class {
	switch {
	case f.IsProgram():
		return program
	case f.Type == elf.ET_DYN && (damaged || !f.Dynamic) && mode&0o111 != 0:
		return program
	case f.Type == elf.ET_DYN && (damaged || !f.Dynamic):
		return data
	}
	return library
}

// isModule tells names of interpreted code, which packages keep together.
func isModule(p string) bool {
	switch path.Ext(p) {
	case ".py", ".pyc", ".pm", ".pl", ".rb", ".js", ".mjs", ".cjs", ".php", ".jar", ".class", ".lua", ".tcl", ".phar":
		return true
	}
	return false
}

// claim tells every file its packages.
func (p *planner) claim() {
	for _, q := range p.db.Packages() {
		g := &pkg{Package: q, at: len(p.pkgs)}
		p.pkgs = append(p.pkgs, g)
		for _, name := range q.RegularFiles() {
			target, _, err := p.tree.ResolveParent(name)
			if f := p.files[target]; err == nil && f != nil && f.class != dir {
				f.owners = append(f.owners, g)
				g.files = append(g.files, f)
			} else if err == nil && f != nil {
				p.claimDir(g, f)
			}
		}
		for _, name := range q.Dirs() {
			target, _, err := p.tree.Resolve(name)
			if f := p.files[target]; err == nil && f != nil && f.class == dir {
				p.claimDir(g, f)
			}
		}
	}
}

func (p *planner) claimDir(g *pkg, f *file) {
	f.owners = append(f.owners, g)
	g.dirs = append(g.dirs, f)
}

// reclassify finds the scripts of R1, which depend on place and owner.
func (p *planner) reclassify(f *file) {
	if f.shebang == nil || f.class == program || f.class == library || pkgdb.IsState(f.path) {
		return
	}
	if f.entry.Mode&0o111 == 0 {
		return
	}
	dirName := path.Dir(f.path)
	onPath := p.onPath[dirName]
	if f.class == module && !onPath {
		return
	}
	if onPath || inLibexec(dirName) || len(f.owners) > 0 && !strings.Contains(path.Base(f.path), ".") {
		f.class = script
	}
}

// inLibexec tells directories of scripts that other programs run.
func inLibexec(dirName string) bool {
	for _, d := range []string{
		"usr/libexec", "etc/init.d", "etc/cron.d", "etc/cron.hourly", "etc/cron.daily", "etc/cron.weekly", "etc/cron.monthly",
		"etc/update-motd.d", "etc/ca-certificates/update.d", "usr/lib/apt", "usr/lib/dpkg", "usr/lib/init",
		"usr/lib/udev", "usr/lib/systemd", "usr/lib/git-core", "usr/lib/cgi-bin", "lib/apk", "etc/periodic",
		"usr/share/udhcpc", "etc/network", "etc/kernel", "etc/initramfs-tools",
	} {
		if dirName == d || strings.HasPrefix(dirName, d+"/") {
			return true
		}
	}
	return false
}

// multiCall are binaries that do by their name's bidding.
func multiCall(base string) bool {
	switch strings.TrimSuffix(base, ".static") {
	case "busybox", "toybox", "coreutils", "bbsuid", "sbase-box", "ubase-box":
		return true
	}
	return false
}

// findApplets marks the other names of multi-call binaries: links of both kinds
// and script stubs as coreutils --enable-single-binary=shebangs makes them.
func (p *planner) findApplets() {
	boxes := map[int]string{} // content entry → path of the binary
	for _, f := range p.order {
		if f.class == program && multiCall(path.Base(f.path)) {
			boxes[contentID(f.entry)] = f.path
		}
	}
	for _, f := range p.order {
		switch {
		case f.class == link && f.target != "":
			t := p.files[f.target]
			if t == nil || t.class != program {
				continue
			}
			if box, ok := boxes[contentID(t.entry)]; ok {
				f.applet = box
			}
		case f.class == program:
			if box, ok := boxes[contentID(f.entry)]; ok && box != f.path {
				f.applet = box
			}
		case f.class == script && len(f.shebang) > 0:
			if t, _, err := p.tree.Resolve(f.shebang[0]); err == nil && multiCall(path.Base(t)) && path.Base(t) == "coreutils" {
				f.applet = t
			}
		}
	}
}

// findCommands marks the links in PATH that lead to scripts beside it: as npm
// and distributions install commands that are modules.
func (p *planner) findCommands() {
	for _, f := range p.order {
		if f.class != link || !p.onPath[path.Dir(f.path)] {
			continue
		}
		t := p.files[f.target]
		f.command = t != nil && t.shebang != nil && !t.tool() && t.entry.Mode&0o111 != 0
	}
}

// runnable tells tools and all names that lead to them.
func (p *planner) runnable(f *file) bool {
	if f.tool() || f.applet != "" || f.command {
		return true
	}
	t := p.files[f.target]
	return f.class == link && t != nil && t.tool()
}

func contentID(e facts) int {
	if e.Data >= 0 {
		return int(e.Data)
	}
	return int(e.ID)
}

func (p *planner) describePackages() {
	p.named = map[string][]*pkg{}
	for _, g := range p.pkgs {
		g.base = isBase(g.Name)
		for _, name := range append([]string{g.Name}, g.Provides...) {
			p.named[name] = append(p.named[name], g)
		}
		for _, f := range g.files {
			g.hasCode = g.hasCode || f.code()
			g.hasTools = g.hasTools || f.class == program || f.class == library || f.class == script && p.onPath[path.Dir(f.path)]
		}
	}
}

// isBase names the packages that make a system's layout.
func isBase(name string) bool {
	switch name {
	case "base-files", "base-passwd", "netbase":
		return true
	}
	return strings.HasPrefix(name, "alpine-baselayout") || name == "alpine-release"
}
