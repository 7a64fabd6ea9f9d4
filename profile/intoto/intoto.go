package intoto

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// The types of what is written.
const (
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://in-toto.io/attestation/runtime-trace/v0.2"

	monitorType = "https://lathe.dev/profile/v1alpha1"
	processType = "https://lathe.dev/container/v1alpha1"
	hostURI     = "https://lathe.dev/host"
)

type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     predicate `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name,omitempty"`
	Digest map[string]string `json:"digest"`
}

type predicate struct {
	Monitor          monitor          `json:"monitor"`
	MonitoredProcess monitoredProcess `json:"monitoredProcess"`
	MonitorLog       monitorLog       `json:"monitorLog"`
	Metadata         *metadata        `json:"metadata,omitempty"`
	Profile          json.RawMessage  `json:"latheProfile,omitempty"`
}

type monitor struct {
	Type string `json:"type"`
}

type monitoredProcess struct {
	HostID string `json:"hostID"`
	Type   string `json:"type"`
	Event  string `json:"event"`
}

type monitorLog struct {
	Process    []process    `json:"process"`
	Network    []network    `json:"network,omitempty"`
	FileAccess []descriptor `json:"fileAccess,omitempty"`
}

type process struct {
	Binary string `json:"processBinary"`
	As     string `json:"as,omitempty"`
}

type network struct {
	IP       string   `json:"ip,omitempty"`
	Hostname string   `json:"hostname,omitempty"`
	Port     int      `json:"port,omitempty"`
	Protocol string   `json:"protocol,omitempty"`
	Process  *process `json:"invokingProcess,omitempty"`
}

// descriptor is an in-toto ResourceDescriptor.
type descriptor struct {
	Name string `json:"name"`
}

type metadata struct {
	Started  *time.Time `json:"buildStartedOn,omitempty"`
	Finished *time.Time `json:"buildFinishedOn,omitempty"`
}

// ErrNoSubject is returned by [Export] for profiles that name no image by its
// digest: a statement has to be about something.
var ErrNoSubject = errors.New("the profile names no image by its digest, which a statement has to be about")

// Export writes p as a statement about its images: one line of JSON, the same
// bytes for the same profile.
func Export(p *profile.Profile) ([]byte, error) {
	canonical, err := p.Canonical()
	if err != nil {
		return nil, err
	}
	if p, err = profile.Merge(p); err != nil { // sorted
		return nil, err
	}
	s := statement{Type: StatementType, PredicateType: PredicateType, Predicate: predicate{
		Monitor:          monitor{monitorType},
		MonitoredProcess: monitoredProcess{hostURI, processType, eventOf(p)},
		MonitorLog:       logOf(p),
		Metadata:         metadataOf(p),
		Profile:          canonical,
	}}
	for _, img := range p.Images {
		algorithm, sum, ok := strings.Cut(img.Digest, ":")
		if !ok {
			continue
		}
		x := subject{Digest: map[string]string{algorithm: sum}}
		if len(img.Refs) > 0 {
			x.Name = img.Refs[0]
		}
		s.Subject = append(s.Subject, x)
	}
	if len(s.Subject) == 0 {
		return nil, ErrNoSubject
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("writing the statement: %w", err)
	}
	return out.Bytes(), nil
}

// eventOf names what was observed: the runs, or else the recordings, or else
// what was declared.
func eventOf(p *profile.Profile) string {
	var names, others []string
	for _, s := range p.Sources {
		switch {
		case s.Kind != profile.KindObserved:
			others = append(others, s.ID)
		case s.Run != "":
			names = append(names, s.Run)
		default:
			names = append(names, s.ID)
		}
	}
	if names == nil {
		names = others
	}
	if names == nil {
		return "unknown"
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

func logOf(p *profile.Profile) monitorLog {
	out := monitorLog{Process: []process{}}
	for _, x := range p.Executables {
		out.Process = append(out.Process, process{printable(x.Path), x.As})
	}
	for _, c := range p.Network.Connect {
		at := network{IP: c.Peer.IP, Port: c.Port, Protocol: c.Proto}
		if strings.Contains(at.IP, "/") {
			at.IP = "" // a range of addresses is none
		}
		if at.IP == "" && len(c.Peer.Names) == 0 {
			continue
		}
		if len(c.Peer.Names) > 0 {
			at.Hostname = c.Peer.Names[0]
		}
		if len(c.By) == 1 {
			file, as := profile.SplitKey(c.By[0])
			at.Process = &process{printable(file), as}
		}
		out.Network = append(out.Network, at)
	}
	for _, f := range p.Files {
		out.FileAccess = append(out.FileAccess, descriptor{printable(f.Path)})
	}
	return out
}

// printable is a path as text; the profile has the bytes.
func printable(path profile.Path) string { return strings.ToValidUTF8(string(path), "\ufffd") }

func metadataOf(p *profile.Profile) *metadata {
	c := p.Coverage()
	if c.Start == nil && c.End == nil {
		return nil
	}
	return &metadata{c.Start, c.End}
}

// Format is the row of this package in the table of formats.
func Format() foreign.Format {
	return foreign.Format{
		Name:   "in-toto",
		About:  "in-toto statements of runtime-trace that lathe wrote",
		Detect: detect,
		Import: read,
	}
}

func detect(head []byte) bool {
	return foreign.AnyShape(head, func(s foreign.Shape) bool { return s.Has("_type", "predicateType", "predicate") })
}

// read merges the profiles of statements. Nothing is added to them: the
// statement says what they are about.
func read(ctx context.Context, inputs []*foreign.Input, opts foreign.Options) (*profile.Profile, error) {
	records := foreign.NewLog("in-toto", inputs, opts)
	var parts []*profile.Profile
	err := records.Objects(ctx, func(from foreign.Object) error {
		var is struct {
			Type          string `json:"_type"`
			PredicateType string `json:"predicateType"`
		}
		if err := foreign.Decode(from.Data, &is); err != nil {
			return foreign.Fatal(err)
		}
		if is.Type != StatementType || is.PredicateType != PredicateType {
			return fmt.Errorf("a %q of %q is no statement of %s", is.Type, is.PredicateType, PredicateType)
		}
		var s statement
		if err := foreign.Decode(from.Data, &s); err != nil {
			return foreign.Fatal(err)
		}
		if len(s.Predicate.Profile) == 0 {
			return foreign.Fatal(errors.New("the statement holds no profile of lathe's: its other fields say too little"))
		}
		p, err := profile.Read(bytes.NewReader(s.Predicate.Profile), profile.Limits{})
		if err != nil {
			return foreign.Fatal(err)
		}
		if err := aboutSubject(p, s.Subject); err != nil {
			return foreign.Fatal(err)
		}
		parts = append(parts, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	p, err := profile.Merge(parts...)
	if err != nil {
		return nil, fmt.Errorf("importing in-toto: %w", err)
	}
	return p, nil
}

// aboutSubject refuses a profile that is about other images than its statement,
// whose signature covers both but whose readers look at the subject.
func aboutSubject(p *profile.Profile, subjects []subject) error {
	known := map[string]bool{}
	for _, s := range subjects {
		for algorithm, sum := range s.Digest {
			known[algorithm+":"+sum] = true
		}
	}
	for _, img := range p.Images {
		if strings.Contains(img.Digest, ":") && !known[img.Digest] {
			return fmt.Errorf("the profile is about %s, which is no subject of the statement", img.Digest)
		}
	}
	return nil
}
