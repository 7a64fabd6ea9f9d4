package harden

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/lathe-build/lathe/internal/cmdline"
)

// command is one command line of the config.
type command struct {
	name string // for people
	argv []string
	must bool // the container does not start without it
}

// commands are the command lines that the config can run.
func (p *planner) commands() []command {
	var list []command
	if argv := append(append([]string(nil), p.config.Entrypoint...), p.config.Cmd...); len(argv) > 0 {
		list = append(list, command{"entrypoint", argv, true})
	}
	if h := p.config.Healthcheck; h != nil && len(h.Test) > 1 {
		switch h.Test[0] {
		case "CMD":
			list = append(list, command{"healthcheck", h.Test[1:], true})
		case "CMD-SHELL":
			shell := p.config.Shell
			if len(shell) == 0 {
				shell = []string{"/bin/sh", "-c"}
			}
			list = append(list, command{"healthcheck", append(append([]string(nil), shell...), h.Test[1]), true})
		}
	}
	return list
}

// rootsOfConfig keeps what the config names: its commands, the directories that
// it sets up.
func (p *planner) rootsOfConfig() {
	for _, c := range p.commands() {
		p.rootCommand(c, 0)
	}
	if len(p.config.Cmd) > 0 && len(p.config.Entrypoint) > 0 {
		p.rootWord(p.config.Cmd[0], Reason{Kind: Config, Note: "the config's command"})
	}
	dirs := []string{p.config.WorkingDir}
	for v := range p.config.Volumes {
		dirs = append(dirs, v)
	}
	for _, d := range sortedSet(dirs) {
		if f, links := p.resolve(d); d != "" && f != nil {
			p.keepVia(f, links, false, Reason{Kind: Config, Note: "working directory or volume"})
		}
	}
}

// rootCommand keeps the program of a command line, what a wrapper or a shell
// would run from it, and arguments that are files of the image.
func (p *planner) rootCommand(c command, depth int) {
	why := Reason{Kind: Config, Note: "the config's " + c.name}
	f, links := p.lookPath(c.argv[0])
	if f == nil {
		return // checkStarts says so
	}
	p.keepVia(f, links, true, why)
	for _, arg := range c.argv[1:] {
		if strings.HasPrefix(arg, "/") && path.Clean(arg) != "/" {
			p.rootWord(arg, Reason{Kind: Config, Note: "an argument of the config's " + c.name})
		}
	}
	if inner := cmdline.Unwrap(c.argv); inner != nil && depth < cmdline.MaxWrappers {
		p.rootCommand(command{c.name, inner, false}, depth+1)
	}
	if text, ok := cmdline.ShellText(c.argv); ok {
		for _, word := range cmdline.Words(text) {
			p.rootWord(word, Reason{Kind: Config, Note: "a command in the config's " + c.name})
		}
	}
}

// rootWord keeps what a word leads to when that is a file.
func (p *planner) rootWord(word string, why Reason) {
	if f, links := p.lookPath(word); f != nil && f.class != dir {
		p.keepVia(f, links, true, why)
	}
}

// checkStarts refuses a plan whose result could not run the config's commands:
// the program, its interpreter, its libraries.
func (p *planner) checkStarts() {
	for _, c := range p.commands() {
		f, _ := p.lookPath(c.argv[0])
		if f == nil {
			p.refuse(fmt.Sprintf("the config's %s %s is not in the image", c.name, strconv.Quote(c.argv[0])))
			continue
		}
		p.checkRuns(c.name, f, 0)
		p.checkWrapped(c)
	}
	user, group, _ := strings.Cut(p.config.User, ":")
	p.checkAccount("user", user, "etc/passwd")
	p.checkAccount("group", group, "etc/group")
}

// checkAccount refuses a plan without the file in which engines look up a user
// or group that the config gives by name.
func (p *planner) checkAccount(what, name, file string) {
	if _, err := strconv.Atoi(name); name == "" || err == nil {
		return
	}
	f, _ := p.resolve(file)
	switch {
	case f == nil:
		p.note("not-in-image", file, "the config's "+what+" is a name, but the image has no file to look it up in")
	case !f.kept:
		p.refuse(fmt.Sprintf("the config's %s %s is looked up in %s, which would be dropped", what, strconv.Quote(name), strconv.Quote("/"+file)))
	}
}

// checkWrapped checks the commands that wrappers such as tini start. One that the
// image never had may come from a volume, and is told.
func (p *planner) checkWrapped(c command) {
	argv := c.argv
	for range cmdline.MaxWrappers {
		if argv = cmdline.Unwrap(argv); len(argv) == 0 {
			return
		}
		f, _ := p.lookPath(argv[0])
		if f == nil {
			p.note("not-in-image", argv[0], "the config's "+c.name+" starts it, but the image does not have it")
			return
		}
		p.checkRuns(c.name, f, 0)
	}
}

// libraryNotFound is the finding about a library that the image did not have
// before either.
const libraryNotFound = "library-not-found"

// maxInterpreters is how many scripts may interpret each other; Linux allows 4.
const maxInterpreters = 5

func (p *planner) checkRuns(what string, f *file, depth int) {
	switch {
	case depth > maxInterpreters:
		p.refuse(fmt.Sprintf("the config's %s: too many interpreters", what))
	case !f.kept:
		p.refuse(fmt.Sprintf("the config's %s needs %q, which would be dropped (%s)", what, "/"+f.path, f.reason.Note))
	case f.shebang != nil && f.elf == nil:
		for _, cmd := range p.interpreters(f) {
			g, _ := p.lookPath(cmd)
			if g == nil {
				p.refuse(fmt.Sprintf("the config's %s: the interpreter %q of %q is not in the image", what, cmd, "/"+f.path))
				continue
			}
			p.checkRuns(what, g, depth+1)
		}
	case f.elf != nil:
		p.checkLinks(what, f)
	}
}

// checkLinks follows the libraries of an ELF file.
func (p *planner) checkLinks(what string, f *file) {
	seen := map[string]bool{f.path: true}
	for todo := []*file{f}; len(todo) > 0; todo = todo[1:] {
		deps, _, err := p.loader.Deps(todo[0].path, p.inherited[todo[0].path])
		if err != nil {
			p.refuse(fmt.Sprintf("the config's %s: %v", what, err))
			return
		}
		for _, d := range deps {
			g, _ := p.resolve(d.Path)
			if d.Path == "" || g == nil {
				if f.seen && !p.rebased {
					p.note(libraryNotFound, todo[0].path, "needs "+strconv.Quote(d.Name)+", which no loader directory has; the profile saw it run all the same")
					continue
				}
				p.refuse(fmt.Sprintf("the config's %s: %q needs %q, which is not in the image", what, "/"+todo[0].path, d.Name))
				continue
			}
			if !g.kept {
				p.refuse(fmt.Sprintf("the config's %s: %q needs %q, which would be dropped (%s)", what, "/"+todo[0].path, "/"+g.path, g.reason.Note))
			}
			if !seen[g.path] {
				seen[g.path] = true
				todo = append(todo, g)
			}
		}
	}
}
