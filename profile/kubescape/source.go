package kubescape

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// The states that the agent writes into annotations.
const (
	completion = "kubescape.io/completion"
	status     = "kubescape.io/status"
)

// source describes where an object's evidence comes from.
func (c *converter) source() profile.Source {
	o, from := c.from.object, c.from.object.Metadata
	s := profile.Source{
		Kind:      profile.KindObserved,
		Recorder:  profile.Recorder{Name: "kubescape", Version: c.opts.Version, Method: "ebpf"},
		Input:     c.about.Input,
		Host:      profile.Host{Arch: c.arch()},
		Window:    windowOf(from.Annotations),
		Run:       runOf(o, c.opts.Run),
		Scenarios: c.opts.Scenarios,
		Observes:  append(c.observes(), c.opts.Observes...),
		Paths:     profile.PathStyle{Exec: "both", Open: "both", Root: "container"},
		Subject: profile.Subject{
			Container: c.from.container.Name,
			Workload:  workloadOf(o),
		},
	}
	recorded := from.Annotations[completion] != "" || from.Annotations[status] != ""
	switch {
	case !recorded && !c.opts.Complete:
		s.Kind = profile.KindDeclared
		c.note("the object does not say that it was recorded: it may be written by hand")
	case from.Annotations[completion] == "partial":
		c.note("the agent came after the container: what ran at its start is not in it")
	case from.Annotations[status] == "too-large":
		c.note("learning stopped because the profile grew too large")
	case from.Annotations[status] == "initializing":
		c.note("learning had not ended")
	case continued(from.Annotations) && !c.opts.Complete:
		c.note("it continues an earlier report: alone it does not hold the start")
	default:
		s.Complete = c.opts.Complete || from.Annotations[completion] == "complete"
		s.Vouched = c.opts.Complete
	}
	if len(c.opts.Image.Digest) > 0 {
		s.Subject.Image = c.opts.Image.Digest
	} else if len(c.images) > 0 {
		s.Subject.Image = c.images[0].Digest
	}
	if len(c.images) > 0 {
		if digest := foreign.Contradicts(c.images[0], c.opts.Image); digest != "" && c.opts.Rebase {
			c.note("the object names %s, which is no digest of the image that this profile is said to be about", digest)
		}
	}
	s.Notes = append(c.notes(), c.about.Notes...)
	s.ID = profile.SourceID(s)
	return s
}

// observes is what the agent sees of what this kind of object holds.
func (c *converter) observes() []string {
	var out []string
	if c.from.object.Kind != kindNeighborhood {
		out = append(out, profile.ObservesExec, profile.ObservesExecArgv, profile.ObservesExecInterp,
			profile.ObservesOpen, profile.ObservesRead, profile.ObservesWrite)
		if len(c.from.container.Syscalls) > 0 {
			out = append(out, profile.ObservesSyscalls)
		}
		if len(c.from.container.Capabilities) > 0 {
			out = append(out, profile.ObservesCapabilities)
		}
	}
	if c.from.object.Kind != kindApplication {
		out = append(out, profile.ObservesConnectTCP, profile.ObservesConnectUDP, profile.ObservesAccept)
	}
	return out
}

// arch is the architecture, where the object has one.
func (c *converter) arch() string {
	if list := c.from.object.Spec.Architectures; len(list) == 1 && isWord(list[0]) {
		return list[0]
	}
	return ""
}

func isWord(s string) bool {
	return s != "" && len(s) < 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// runOf names the run: the user's name, or the series of reports, or the
// workload's revision.
func runOf(o object, name string) string {
	if name != "" {
		return name
	}
	if series := o.Metadata.Annotations["kubescape.io/report-series-id"]; series != "" {
		return series
	}
	return o.Metadata.Labels["kubescape.io/instance-template-hash"]
}

func workloadOf(o object) profile.Workload {
	labels := o.Metadata.Labels
	w := profile.Workload{
		Namespace: labels["kubescape.io/workload-namespace"],
		Kind:      kindName(labels["kubescape.io/workload-kind"]),
		Name:      labels["kubescape.io/workload-name"],
		Labels:    maps.Clone(o.Spec.MatchLabels),
	}
	if w.Namespace == "" {
		w.Namespace = o.Metadata.Namespace
	}
	return w
}

// kindName gives a kind in its own spelling: some objects have it in lower case.
func kindName(kind string) string {
	for _, known := range []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "CronJob", "Job", "Pod"} {
		if strings.EqualFold(kind, known) {
			return known
		}
	}
	return kind
}

// windowOf reads the times of a report, which are in the form of Go's
// Time.String, with or without its monotonic clock.
func windowOf(notes map[string]string) profile.Window {
	w := profile.Window{Start: timeOf(notes["kubescape.io/previous-report-timestamp"]), End: timeOf(notes["kubescape.io/report-timestamp"])}
	if w.End.Before(w.Start) {
		return profile.Window{}
	}
	return w
}

func timeOf(text string) time.Time {
	text, _, _ = strings.Cut(text, " m=")
	t, err := time.Parse("2006-01-02 15:04:05.999999999 -0700 MST", text)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC()
}

// continued tells whether there was a report before this one.
func continued(notes map[string]string) bool {
	return !timeOf(notes["kubescape.io/previous-report-timestamp"]).IsZero()
}

// imageOf reads the forms of an image's id: a registry digest behind a name, with
// or without a scheme, a config digest alone, a name alone, text of a template.
func (c *converter) imageOf() {
	id, tag := c.from.container.ImageID, c.from.container.ImageTag
	if strings.Contains(id+tag, "{{") {
		c.note("the image is the text of a template")
		return
	}
	if _, rest, ok := strings.Cut(id, "://"); ok {
		id = rest
	}
	var img profile.Image
	name, digest, ok := strings.Cut(id, "@")
	switch {
	case ok && isDigest(digest):
		img.Digest = digest
		img.Refs = refs(name+"@"+digest, tag)
	case isDigest(id):
		img.ConfigDigest = []string{id}
		img.Refs = refs(tag)
	default:
		img.Refs = refs(id, tag)
	}
	if img.Digest == "" && img.ConfigDigest == nil && img.Refs == nil {
		return
	}
	if arch := c.arch(); arch != "" {
		img.Platform = "linux/" + arch
	}
	c.images = []profile.Image{img}
}

func refs(names ...string) []string {
	var out []string
	for _, name := range names {
		if name != "" && len(name) <= 1024 && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || r > 0x7e }) {
			out = append(out, name)
		}
	}
	return out
}

func isDigest(s string) bool {
	sum, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(sum) == 64 && strings.Trim(sum, "0123456789abcdef") == ""
}

// note remembers something to be said of the source.
func (c *converter) note(format string, args ...any) {
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

// notes are what was said, and what was counted.
func (c *converter) notes() []string {
	for _, n := range []struct {
		count int
		text  string
	}{
		{c.assumed, "relative paths are taken as below the working directory"},
		{c.nameless, "programs are known by their name only: every program of that name counts as used"},
		{c.unusable, "entries without a usable path are left out"},
		{c.portless, "peers without a port are left out"},
		{c.loose, "selectors of peers are wider here than in the object"},
	} {
		if n.count > 0 {
			c.note("%s: %d", n.text, n.count)
		}
	}
	if c.runtime {
		c.note("what the container runtime does at a start is in it: it opened its files and checked capabilities")
	}
	slices.Sort(c.said)
	return c.said
}
