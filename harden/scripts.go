package harden

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"

	"github.com/lathe-build/lathe/internal/cmdline"
)

const modeSetuid = fs.ModeSetuid

// scanScripts reports commands in kept shell scripts that lead to tools which
// go: branches that the profile did not see. They are no reason to keep a tool.
func (p *planner) scanScripts() {
	for _, f := range p.order {
		if !f.kept || f.shebang == nil || len(f.shebang) == 0 || !cmdline.IsShell(f.shebang[0]) {
			continue
		}
		if f.class != script && !f.runs {
			continue
		}
		text, err := p.read(f)
		if err != nil {
			continue // an unreadable script was noted before
		}
		p.scanScript(f, text)
	}
}

func (p *planner) scanScript(f *file, text []byte) {
	told := map[string]bool{}
	eachCommand(text, func(n int, word string) {
		g, _ := p.lookPath(word)
		if told[word] || g == nil || !g.tool() || g.kept {
			return
		}
		told[word] = true
		p.note("script-command", f.path, fmt.Sprintf(
			"line %d may run %q, which goes: the profile never saw it run (--keep /%s keeps it, scriptCommands: /%s in a policy all that the script names)", n, word, g.path, f.path))
	})
}

// eachCommand calls visit for every command word of a shell script that is not
// the shell's own.
func eachCommand(text []byte, visit func(line int, word string)) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxRead)
	for n := 1; lines.Scan(); n++ {
		for _, word := range cmdline.Words(lines.Text()) {
			if !cmdline.IsBuiltin(word) {
				visit(n, word)
			}
		}
	}
}
