package inspektorgadget

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
	"github.com/lathe-build/lathe/profile/foreign"
)

const formatName = "inspektor-gadget"

// Format is the row of the gadgets that trace in the table of formats.
func Format() foreign.Format {
	return foreign.Format{
		Name:  formatName,
		About: "JSON of Inspektor Gadget's trace gadgets",
		Detect: func(head []byte) bool {
			return foreign.AnyShape(head, func(s foreign.Shape) bool {
				return s.Has("proc.mntns_id") || s.Has("mntns_id", "comm") || s.Has("mountnsid", "comm") ||
					s.Has("proc.comm", "k8s") || s.Has("proc.comm", "runtime")
			})
		},
		Import: Import,
	}
}

// Import reads records of gadgets and returns a valid, unbound profile with one
// source.
func Import(ctx context.Context, inputs []*foreign.Input, opts foreign.Options) (*profile.Profile, error) {
	records := foreign.NewLog(formatName, ordered(inputs), opts)
	containers := foreign.NewContainers(opts, func(foreign.Subject) *recording { return newRecording() })
	var usual reader
	err := records.Records(ctx, func(rec foreign.Record) error {
		r, ok := usual.read(rec.Data)
		if !ok {
			r = &record{}
			if err := foreign.DecodeExact(rec.Data, r); err != nil {
				return err
			}
		}
		gadget := r.gadget()
		if gadget == "" {
			return errGadget
		}
		c := containers.Of(r.subject())
		if c == nil {
			return nil
		}
		c.take(gadget, r)
		return foreign.Fatal(c.facts.Err())
	})
	if err != nil {
		return nil, err
	}
	c, subject, err := containers.Chosen()
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", formatName, err)
	}
	c.facts.NameLate()
	source := records.Source()
	source.Recorder.Name, source.Recorder.Method = "inspektor-gadget", "ebpf"
	source.Paths = profile.PathStyle{Exec: "resolved", Open: "raw", Root: "container"}
	if c.resolved {
		source.Paths.Open = "both"
	}
	subject.Image = source.Subject.Image
	subject.Workload.Labels = c.labels
	if c.owner.Name != "" {
		subject.Workload.Kind, subject.Workload.Name = c.owner.Kind, c.owner.Name
	}
	source.Subject = subject
	source.Observes = append(source.Observes, c.observes()...)
	source.Notes = append(append(source.Notes, containers.Notes()...), c.notes()...)
	if note, err := c.images.Check(opts); err != nil {
		return nil, fmt.Errorf("importing %s: %w", formatName, err)
	} else if note != "" {
		source.Notes = append(source.Notes, note)
	}
	p, err := c.facts.Profile(opts.Name, source, foreign.Images(opts, c.images)...)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", formatName, err)
	}
	return p, nil
}

// ordered puts files of gadgets first that tell what records of others mean:
// executions, then names, then connections.
func ordered(inputs []*foreign.Input) []*foreign.Input {
	rank := func(in *foreign.Input) int {
		for i, key := range []string{"exepath", "qr", "dst"} {
			if foreign.AnyShape(in.Head(), func(s foreign.Shape) bool { return s.Has(key) }) {
				return i
			}
		}
		return 3
	}
	inputs = slices.Clone(inputs)
	slices.SortStableFunc(inputs, func(a, b *foreign.Input) int { return cmp.Compare(rank(a), rank(b)) })
	return inputs
}

var errGadget = errors.New("it is no record of a gadget that is known")

// gadget is the gadget that printed a record.
func (r *record) gadget() string {
	switch {
	case r.Cap != nil:
		return "trace_capabilities"
	case r.Qr != nil:
		return "trace_dns"
	case r.Fname != nil, r.Path != nil && r.Comm != nil:
		return "trace_open"
	case r.Dst != nil && slices.Contains([]string{"connect", "accept", "close"}, r.Type):
		return "trace_tcp"
	case r.Exepath != nil, r.Args.given:
		return "trace_exec"
	case r.Addr != nil:
		return "trace_bind"
	case r.Name != nil && r.Dst == nil:
		return "trace_sni"
	default:
		return ""
	}
}

func (c *recording) observes() []string {
	var out []string
	for gadget, words := range map[string][]string{
		"trace_exec":         {profile.ObservesExec, profile.ObservesExecScript, profile.ObservesExecInterp},
		"trace_open":         {profile.ObservesOpen, profile.ObservesRead, profile.ObservesWrite},
		"trace_tcp":          {profile.ObservesConnectTCP, profile.ObservesAccept, profile.ObservesIPv6},
		"trace_bind":         {profile.ObservesListen, profile.ObservesIPv6},
		"trace_dns":          {profile.ObservesDNS},
		"trace_capabilities": {profile.ObservesCapabilities},
	} {
		if c.gadgets[gadget] && (gadget != "trace_exec" || c.pathless == 0) {
			out = append(out, words...)
		}
	}
	if c.failedOpens {
		out = append(out, profile.ObservesOpenFailed)
	}
	if c.failedExecs {
		out = append(out, profile.ObservesExecFailed)
	}
	if c.gadgets["trace_exec"] && c.unattributed == 0 && c.pathless == 0 {
		out = append(out, profile.ObservesAttribution)
	}
	return out
}

func (c *recording) notes() []string {
	var notes []string
	add := func(n int64, format string) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf(format, n))
		}
	}
	add(c.pathless, "%d executions without a path: trace_exec has to run with --paths")
	add(c.relative, "%d relative paths without a directory are left out")
	add(c.cut, "%d paths that are not whole are left out")
	add(c.unattributed, "%d connections are of processes whose execution was not seen")
	add(c.nameless, "%d TLS names are of no connection that was seen")
	add(c.facts.Refused(), "%d values that a profile cannot hold are left out")
	if c.gadgets["trace_open"] {
		notes = append(notes, "opens other than by open and openat are not seen")
	}
	if c.gadgets["trace_bind"] {
		notes = append(notes, "listening ports are those of bind")
	}
	if c.gadgets["trace_capabilities"] {
		notes = append(notes, "capabilities are those that were checked for, whether needed or not")
	}
	return notes
}

// process is what one pid ran, by time.
type process struct {
	runs   []run
	origin string
	edge   *fold.Edge // the last connection
}

type run struct {
	at  int64 // as the records count
	key string
}

// maxRuns is how many executions of one pid are remembered.
const maxRuns = 16

// running is what a pid ran at a time.
func (p *process) running(at int64) string {
	if p == nil {
		return ""
	}
	key := ""
	for _, r := range p.runs {
		if r.at <= at {
			key = r.key
		}
	}
	return key
}
