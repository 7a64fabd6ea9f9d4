package formats

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/hubble"
	"github.com/lathe-build/lathe/profile/inspektorgadget"
	"github.com/lathe-build/lathe/profile/intoto"
	"github.com/lathe-build/lathe/profile/kubescape"
	"github.com/lathe-build/lathe/profile/manifest"
	"github.com/lathe-build/lathe/profile/seccomp"
	"github.com/lathe-build/lathe/profile/strace"
	"github.com/lathe-build/lathe/profile/tetragon"
	"github.com/lathe-build/lathe/profile/tracee"
)

// All is the table: every format that can be imported, in the order of help.
func All() []foreign.Format {
	return []foreign.Format{
		hubble.Format(),
		intoto.Format(),
		inspektorgadget.Format(),
		kubescape.Format(),
		manifest.Format(),
		inspektorgadget.PolicyFormat(),
		seccomp.Format(),
		strace.Format(),
		tetragon.Format(),
		tracee.Format(),
	}
}

// ErrUnknown is returned for names of formats that are not in the table, and
// for files that are of none.
var ErrUnknown = errors.New("unknown format")

// Names is the names of all formats.
func Names() []string {
	var names []string
	for _, f := range All() {
		names = append(names, f.Name)
	}
	return names
}

// Find is the format of a name.
func Find(name string) (foreign.Format, error) {
	for _, f := range All() {
		if f.Name == name {
			return f, nil
		}
	}
	return foreign.Format{}, fmt.Errorf("%w %q: those that can be imported are %s", ErrUnknown, name, strings.Join(Names(), ", "))
}

// Detect is the format of a file by its first bytes.
func Detect(in *foreign.Input) (foreign.Format, error) {
	if len(in.Head()) == 0 {
		return foreign.Format{}, fmt.Errorf("%q is empty", in.Name())
	}
	if foreign.AnyShape(in.Head(), func(s foreign.Shape) bool { return s.Kind == profile.Kind }) {
		return foreign.Format{}, fmt.Errorf("%q is a runtime profile already: use it as it is, or merge it", in.Name())
	}
	for _, f := range All() {
		if f.Detect(in.Head()) {
			return f, nil
		}
	}
	return foreign.Format{}, fmt.Errorf("%w: %q%s is none of %s that is known by its beginning: say which with --from",
		ErrUnknown, in.Name(), describe(in.Head()), strings.Join(Names(), ", "))
}

// describe says what the first object of a file says that it is, such as one of
// a version that is not known.
func describe(head []byte) string {
	for _, s := range foreign.Shapes(head) {
		if s.Kind != "" || s.APIVersion != "" {
			return fmt.Sprintf(" (a %.100q of %.100q)", s.Kind, s.APIVersion)
		}
	}
	return ""
}

// Import reads files, detects the format of each where from is "", and merges
// what the formats make of theirs. All files of one format are one recording.
// It also returns the names of the formats, in their order.
func Import(ctx context.Context, from string, inputs []*foreign.Input, opts foreign.Options) (*profile.Profile, []string, error) {
	groups, err := group(from, inputs)
	if err != nil {
		return nil, nil, err
	}
	var parts []*profile.Profile
	var names []string
	for _, g := range groups {
		p, err := g.format.Import(ctx, g.inputs, opts)
		if err != nil {
			return nil, nil, err
		}
		parts, names = append(parts, p), append(names, g.format.Name)
	}
	p, err := profile.Merge(parts...)
	if err != nil {
		return nil, nil, fmt.Errorf("merging what was imported: %w", err)
	}
	return p, names, nil
}

// recording is the files of one format.
type recording struct {
	format foreign.Format
	inputs []*foreign.Input
}

func group(from string, inputs []*foreign.Input) ([]recording, error) {
	if from != "" {
		f, err := Find(from)
		return []recording{{f, inputs}}, err
	}
	byName := map[string][]*foreign.Input{}
	for _, in := range inputs {
		f, err := Detect(in)
		if err != nil {
			return nil, err
		}
		byName[f.Name] = append(byName[f.Name], in)
	}
	var groups []recording
	for _, f := range All() {
		if len(byName[f.Name]) > 0 {
			groups = append(groups, recording{f, byName[f.Name]})
		}
	}
	return groups, nil
}
