package tetragon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
	"github.com/lathe-build/lathe/profile/foreign"
)

const formatName = "tetragon"

// Format is the row of this package in the table of formats.
func Format() foreign.Format {
	return foreign.Format{
		Name:  formatName,
		About: "JSON export of Tetragon",
		Detect: func(head []byte) bool {
			return foreign.AnyShape(head, func(s foreign.Shape) bool {
				for _, kind := range []string{"exec", "exit", "kprobe", "lsm", "tracepoint", "uprobe", "loader", "connect", "listen"} {
					if s.Has("process_"+kind, "process_"+kind+".process") {
						return true
					}
				}
				return s.Has("rate_limit_info", "node_name")
			})
		},
		Import: Import,
	}
}

// Import reads an export and returns a valid, unbound profile with one source.
func Import(ctx context.Context, inputs []*foreign.Input, opts foreign.Options) (*profile.Profile, error) {
	records := foreign.NewLog(formatName, inputs, opts)
	t := &importer{opts: opts}
	t.containers = foreign.NewContainers(opts, func(foreign.Subject) *recording { return newRecording() })
	if err := records.Records(ctx, t.record); err != nil {
		return nil, err
	}
	r, subject, err := t.containers.Chosen()
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", formatName, err)
	}
	source := records.Source()
	note, err := r.images.Check(t.opts)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", formatName, err)
	}
	if note != "" {
		source.Notes = append(source.Notes, note)
	}
	source.Recorder.Name, source.Recorder.Method = "tetragon", "ebpf"
	source.Paths = profile.PathStyle{Exec: "raw", Open: "resolved", Root: "container"}
	subject.Image, subject.Workload.Labels = source.Subject.Image, nil
	if r.workload.Name != "" {
		subject.Workload.Kind, subject.Workload.Name = r.workload.Kind, r.workload.Name
	}
	source.Subject = subject
	source.Lost = profile.Lost{Known: t.dropped > 0, Events: t.dropped}
	source.Observes = append(source.Observes, r.observes()...)
	source.Notes = append(append(source.Notes, t.containers.Notes()...), r.notes(t)...)
	if r.before > 0 || t.dropped > 0 {
		source.Complete, source.Vouched = false, false
	}
	p, err := r.facts.Profile(opts.Name, source, foreign.Images(opts, r.images)...)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", formatName, err)
	}
	return p, nil
}

// importer is what is known of the whole export.
type importer struct {
	opts       foreign.Options
	containers *foreign.Containers[recording]
	usual      reader
	dropped    int64
}

// recording is what one container did.
type recording struct {
	facts    *fold.Collector
	images   foreign.ImageNames
	workload profile.Workload
	kinds    map[string]bool // profile.Observes... constants of lathe's policies
	policies map[string]bool // others
	unknown  map[string]int64
	before   int64 // events of processes that existed before the agent
	cut      int64 // events with paths that are not whole
	now      time.Time
}

func newRecording() *recording {
	return &recording{
		facts: fold.New(fold.Limits{}), kinds: map[string]bool{}, policies: map[string]bool{}, unknown: map[string]int64{},
		images: foreign.ImageNames{},
	}
}

var errKind = errors.New("it is no event that is known")

// record takes one event.
func (t *importer) record(rec foreign.Record) error {
	if bytes.HasPrefix(rec.Data, []byte(`{"process_exit":`)) {
		return nil // the end of a process tells nothing that is kept
	}
	e, ok := t.usual.read(rec.Data)
	if !ok {
		e = &event{}
		if err := foreign.DecodeExact(rec.Data, e); err != nil {
			return err
		}
	}
	kind, a := e.activity()
	if a == nil {
		switch {
		case e.RateLimit != nil:
			t.dropped += max(0, int64(e.RateLimit.Dropped))
			return nil
		case e.Exit != nil:
			return nil
		default:
			return errKind
		}
	}
	r := t.containers.Of(a.Process.subject())
	if r == nil {
		return nil
	}
	r.now = foreign.Time(e.Time)
	r.take(kind, a)
	return foreign.Fatal(r.facts.Err())
}

// activity is the event that there is, and its kind.
func (e *event) activity() (string, *activity) {
	switch {
	case e.Exec != nil:
		return "exec", e.Exec
	case e.Kprobe != nil:
		return "function", e.Kprobe
	case e.LSM != nil:
		return "function", e.LSM
	case e.Loader != nil:
		return "loader", e.Loader
	case e.Connect != nil:
		return "connect", e.Connect
	case e.Listen != nil:
		return "listen", e.Listen
	case e.Tracepoint != nil:
		return "tracepoint", e.Tracepoint
	case e.Uprobe != nil:
		return "uprobe", e.Uprobe
	default:
		return "", nil
	}
}

func (p *process) subject() foreign.Subject {
	s := foreign.Subject{
		Namespace: p.Pod.Namespace, Pod: p.Pod.Name, Container: p.Pod.Container.Name,
		ID: p.Pod.Container.ID, Image: p.Pod.Container.Image.ID,
	}
	if s.ID == "" {
		s.ID = p.Docker
	}
	return s
}

// take folds one event of the container.
func (r *recording) take(kind string, a *activity) {
	p := &a.Process
	r.images.Add(p.Pod.Container.Image.ID, p.Pod.Container.Image.Name)
	if r.workload.Name == "" && p.Pod.Workload != "" {
		r.workload = profile.Workload{Kind: p.Pod.WorkloadKind, Name: p.Pod.Workload}
	}
	if hasFlag(p.Flags, "procFS") {
		r.before++
	}
	by := r.process(kind == "exec", p, &a.Parent)
	switch kind {
	case "function":
		r.function(by, a)
	case "loader":
		r.kind(a.Policy, profile.ObservesMmap)
		r.file(by, a.Path, profile.AccessMmapExec)
	case "connect":
		r.kinds[profile.ObservesConnectTCP], r.kinds[profile.ObservesAttribution] = true, true
		peer := profile.Peer{IP: a.DestinationIP, Names: a.DestinationNames}
		if len(peer.Names) > 0 {
			peer.NameSource = []string{profile.NameDNSOfPod}
		}
		r.facts.Connect(fold.Connect{
			Proto: strings.ToLower(a.Protocol), Peer: peer, Port: int(a.DestinationPort), By: by,
			Result: profile.ResultEstablished, At: r.now,
		})
	case "listen":
		r.kinds[profile.ObservesListen] = true
		r.facts.Listen(fold.Listen{Proto: strings.ToLower(a.Protocol), Addr: a.IP, Port: int(a.Port), By: by, At: r.now})
	case "tracepoint", "uprobe":
		r.unknown[kind]++
	}
}

// process notes the executable of an event and returns its key. Executions
// count; of other events it is evidence that the program was there.
func (r *recording) process(started bool, p, parent *process) string {
	file, layer := p.file()
	if file == "" {
		if started && p.Binary != "<kernel>" {
			r.cut++
		}
		return ""
	}
	key := profile.Key(file, "")
	if !started && r.facts.Executable(key) != nil {
		r.facts.Executable(key).Ran("", r.now)
		return key
	}
	x := fold.Exec{Path: file, Origin: p.origin(), Layer: layer, At: r.now}
	if p.UID != nil {
		x.UID, x.HasUID = p.UID.Uint32()
	}
	if file, _ := parent.file(); file != "" && parent.subject() == p.subject() {
		x.Parent = profile.Key(file, "")
	}
	return r.facts.Exec(x).Key()
}

// file is the program of a process, or "" where it is not whole or no file.
func (p *process) file() (profile.Path, string) {
	if hasFlag(p.Flags, "truncFilename") || hasFlag(p.Flags, "errorFilename") || p.Binary == "" {
		return "", ""
	}
	if strings.Contains(p.Properties.File.Path, "memfd:") {
		return fold.Path(p.Properties.File.Path)
	}
	name := p.Binary
	if !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "memfd:") {
		if name[0] == '<' || p.CWD == "" || hasFlag(p.Flags, "errorCWD") {
			return "", ""
		}
		name = fold.Join(p.CWD, name)
	}
	return fold.Path(name)
}

func (p *process) origin() string {
	switch {
	case p.Pod.Container.MaybeExecProbe:
		return profile.OriginProbe
	case p.InInitTree != nil && !*p.InInitTree:
		return profile.OriginAttach
	case p.Pod.Container.PID == 1:
		return profile.OriginEntrypoint
	default:
		return profile.OriginChild
	}
}

func hasFlag(flags, flag string) bool {
	if !strings.Contains(flags, flag) {
		return false
	}
	for word := range strings.FieldsSeq(flags) {
		if word == flag {
			return true
		}
	}
	return false
}

// kind notes that a policy shows a kind of events. Those of lathe's recipe show
// all of it; others are named in a note.
func (r *recording) kind(policy string, observes ...string) {
	if strings.HasPrefix(policy, "lathe-") {
		for _, word := range observes {
			r.kinds[word] = true
		}
		return
	}
	if policy != "" && len(r.policies) < 100 {
		r.policies[policy] = true
	}
}

func (r *recording) observes() []string {
	out := []string{profile.ObservesExec, profile.ObservesExecScript}
	for word := range r.kinds {
		out = append(out, word)
	}
	return out
}

func (r *recording) notes(t *importer) []string {
	notes := []string{"executions are recorded as called: interpreters of scripts and ELF loaders are not in the export"}
	add := func(n int64, format string) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf(format, n))
		}
	}
	add(r.before, "%d events are of processes that existed before the agent: the start was not observed")
	add(t.dropped, "%d events were dropped by the export's rate limit")
	add(r.cut, "%d paths that are not whole are left out")
	add(r.facts.Refused(), "%d values that a profile cannot hold are left out")
	if len(r.policies) > 0 {
		names := fmt.Sprintf("%q", sorted(r.policies))
		notes = append(notes, "what these policies leave out is not known, so that they prove presence only: "+names)
	}
	if len(r.unknown) > 0 {
		notes = append(notes, fmt.Sprintf("events of these kinds are not used: %q", sorted(r.unknown)))
	}
	return notes
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
