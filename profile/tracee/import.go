package tracee

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
	"github.com/lathe-build/lathe/profile/foreign"
)

const formatName = "tracee"

// Format is the row of this package in the table of formats.
func Format() foreign.Format {
	return foreign.Format{
		Name:  formatName,
		About: "JSON events of Tracee (v1beta1)",
		Detect: func(head []byte) bool {
			return foreign.AnyShape(head, func(s foreign.Shape) bool {
				return s.Has("name", "workload", "workload.process") || s.Has("eventName", "processName")
			})
		},
		Import: Import,
	}
}

// recording is what one container did.
type recording struct {
	facts     *fold.Collector
	processes fold.Recent[foreign.Int, string] // keys of what they run
	images    foreign.ImageNames
	labels    map[string]string
	kinds     map[string]bool // profile.Observes... constants
	unknown   map[string]bool // events that are not used
	started   bool            // the entrypoint was seen
	cut       int64
	early     int64 // events before the container had started
}

// Import reads events and returns a valid, unbound profile with one source.
func Import(ctx context.Context, inputs []*foreign.Input, opts foreign.Options) (*profile.Profile, error) {
	records := foreign.NewLog(formatName, inputs, opts)
	containers := foreign.NewContainers(opts, func(foreign.Subject) *recording {
		return &recording{facts: fold.New(fold.Limits{}), images: foreign.ImageNames{}, kinds: map[string]bool{}, unknown: map[string]bool{}}
	})
	var usual reader
	err := records.Records(ctx, func(rec foreign.Record) error {
		e, ok := usual.read(rec.Data)
		if !ok {
			e = &event{}
			if err := foreign.DecodeExact(rec.Data, e); err != nil {
				return err
			}
		}
		switch {
		case e.EventName != "":
			return errOld
		case e.Name == "":
			return errEvent
		}
		r := containers.Of(e.Workload.subject())
		if r == nil {
			return nil
		}
		r.take(e)
		return foreign.Fatal(r.facts.Err())
	})
	if err != nil {
		return nil, err
	}
	r, subject, err := containers.Chosen()
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", formatName, err)
	}
	r.facts.NameLate()
	source := records.Source()
	source.Recorder.Name, source.Recorder.Method = "tracee", "ebpf"
	source.Paths = profile.PathStyle{Exec: "both", Open: "both", Root: "container"}
	subject.Image, subject.Workload.Labels = source.Subject.Image, r.labels
	source.Subject = subject
	for kind := range r.kinds {
		source.Observes = append(source.Observes, kind)
	}
	source.Notes = append(append(source.Notes, containers.Notes()...), r.notes()...)
	if note, err := r.images.Check(opts); err != nil {
		return nil, fmt.Errorf("importing %s: %w", formatName, err)
	} else if note != "" {
		source.Notes = append(source.Notes, note)
	}
	p, err := r.facts.Profile(opts.Name, source, foreign.Images(opts, r.images)...)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", formatName, err)
	}
	return p, nil
}

var (
	errEvent = errors.New("it is no event")
	errOld   = errors.New("it is an event of the older generation of Tracee, with eventName: let Tracee print its newer events")
)

func (r *recording) notes() []string {
	var notes []string
	add := func(n int64, format string) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf(format, n))
		}
	}
	add(r.cut, "%d paths that are not whole are left out")
	add(r.early, "%d events are of the runtime, before the container had started")
	add(r.facts.Refused(), "%d values that a profile cannot hold are left out")
	if len(r.unknown) > 0 {
		var names []string
		for name := range r.unknown {
			names = append(names, name)
		}
		slices.Sort(names)
		notes = append(notes, fmt.Sprintf("events of these names are not used: %q", names))
	}
	return notes
}

// take folds one event of the container.
func (r *recording) take(e *event) {
	w := &e.Workload
	if w.Container.ID != "" && w.Container.Started != nil && !*w.Container.Started {
		r.early++
		return
	}
	image := w.Container.Image
	names := append(make([]string, 0, 8), image.RepoDigests...)
	r.images.Add(append(names, image.ID, image.Name)...)
	if r.labels == nil {
		r.labels = w.K8s.Pod.Labels
	}
	if e.Name == "sched_process_exec" {
		r.kinds[profile.ObservesExec], r.kinds[profile.ObservesExecScript] = true, true
		r.kinds[profile.ObservesExecInterp], r.kinds[profile.ObservesExecLoader] = true, true
		r.exec(e)
		return
	}
	use := meaning(e.Name)
	if use == nil {
		if len(r.unknown) < 1000 {
			r.unknown[e.Name] = true
		}
		return
	}
	use(r, e, r.by(e))
}

// by is the executable of an event.
func (r *recording) by(e *event) string {
	w := &e.Workload
	if key, ok := r.processes.Get(w.process()); ok {
		return key
	}
	p, layer := r.path(w.Process.Executable.Path)
	if p == "" {
		return "" // older than the recorder
	}
	key := profile.Key(p, "")
	if r.facts.Executable(key) == nil {
		key = r.facts.Exec(fold.Exec{Path: p, Layer: layer, Origin: profile.OriginUnknown, At: e.Timestamp.Time}).Key()
	}
	r.processes.Put(w.process(), key)
	return key
}

// maxComponents is how many components of a path Tracee keeps, from the end.
const maxComponents = 20

// path makes a recorded path one of a profile; it is "" where it may lack its
// front.
func (r *recording) path(s string) (profile.Path, string) {
	if strings.Count(s, "/") >= maxComponents {
		r.cut++
		return "", ""
	}
	return fold.Path(s)
}

// exec folds an execution.
func (r *recording) exec(e *event) {
	w := &e.Workload
	x := fold.Exec{At: e.Timestamp.Time}
	if x.Path, x.Layer = r.path(e.text("pathname")); x.Path == "" {
		return
	}
	called, _ := r.path(e.text("cmdpath"))
	interp, _ := r.path(e.text("interp"))
	x.Loader, _ = r.path(e.text("interpreter_pathname"))
	argv := e.get("argv").list()
	switch {
	case interp != "" && called != "" && interp != called:
		// A script: what was called is its path, and interp stands behind its #!.
		x.Script, x.Via = called, interp
		x.As = profile.Applet(x.Path, string(interp))
	default:
		x.Via = called
		if len(argv) > 0 {
			x.As = profile.Applet(x.Path, argv[0])
		}
	}
	if w.Process.RealUser != nil {
		x.UID, x.HasUID = w.Process.RealUser.ID.Uint32()
	}
	x.Origin = profile.OriginChild
	if before, ok := r.processes.Get(w.process()); ok {
		x.Parent = before // the same process goes on
	} else if len(w.Process.Ancestors) > 0 {
		x.Parent, _ = r.processes.Get(w.Process.Ancestors[0].UniqueID)
	}
	switch outside := w.outside(); {
	case w.Process.PID == 1:
		x.Origin, r.started = profile.OriginEntrypoint, true
	case outside && !r.started:
		x.Origin, r.started = profile.OriginEntrypoint, true
	case outside && e.text("stdin_type") == "S_IFCHR":
		x.Origin, x.TTY = profile.OriginAttach, true
	case outside:
		x.Origin = profile.OriginUnknown
	}
	if key := r.facts.Exec(x).Key(); key != "" {
		r.processes.Put(w.process(), key)
	}
}

// outside reports whether the parent of a process is not in its container: in
// the container's pid namespace it has no number.
func (w *workload) outside() bool {
	a := w.Process.Ancestors
	return len(a) > 0 && a[0].HostPID != 0 && (a[0].PID == nil || *a[0].PID == 0)
}
