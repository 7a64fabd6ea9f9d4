package strace

import (
	"bytes"
	"context"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// Format is the row of this package in the table of formats.
func Format() foreign.Format {
	return foreign.Format{
		Name:   "strace",
		About:  "text that strace -f or -ff wrote",
		Detect: detect,
		Import: func(ctx context.Context, inputs []*foreign.Input, opts foreign.Options) (*profile.Profile, error) {
			list := make([]Input, 0, len(inputs))
			for _, in := range inputs {
				list = append(list, Input{Name: in.Name(), R: in})
			}
			return Import(ctx, list, opts)
		},
	}
}

// detect looks for calls and ends of processes in the first lines.
func detect(head []byte) bool {
	if foreign.IsJSON(head) {
		return false
	}
	found, lines := 0, 0
	for text := range bytes.Lines(head) {
		l := parseLine(string(bytes.TrimRight(text, "\r\n")))
		if isDecoration(l.body) {
			continue
		}
		if lines++; lines > 20 {
			break
		}
		name, rest, ok := cutName(l.body)
		if ok && pathArgs(name) == nil && !isHandled(name) {
			ok = bytes.Contains([]byte(rest), []byte(" = ")) || unfinished(l.body) >= 0
		}
		if ok || bytes.HasPrefix([]byte(l.body), []byte("+++ ")) || bytes.HasPrefix([]byte(l.body), []byte("<... ")) {
			found++
		}
	}
	return found > 0 && 2*found >= lines
}
