package harden

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lathe-build/lathe/internal/plainjson"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// The version and kind of a plan document.
const (
	APIVersion = "lathe.dev/v1alpha1"
	DocKind    = "HardeningPlan"
)

// Document is the plan.json of one hardening: a section a platform.
type Document struct {
	Platforms []Section
}

// Section is the plan of one platform.
type Section struct {
	Platform string
	Plan     *Plan
}

// MaxDocument bounds the size of a plan.json that is read.
const MaxDocument = 1 << 30

type recordJSON struct {
	Layer   int    `json:"layer"`
	Path    string `json:"path,omitempty"`
	PathB64 string `json:"pathB64,omitempty"`
	Type    string `json:"type"`
	Class   string `json:"class,omitempty"`
	Action  Action `json:"action"`
	Reason  reason `json:"reason"`
	Size    int64  `json:"size,omitempty"`
	NewSize int64  `json:"newSize,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	Meta    *Meta  `json:"meta,omitempty"`
}

type reason struct {
	Kind    Kind   `json:"kind"`
	From    string `json:"from,omitempty"`
	FromB64 string `json:"fromB64,omitempty"`
	Note    string `json:"note,omitempty"`
}

type headJSON struct {
	Platform string           `json:"platform"`
	Source   identityJSON     `json:"source"`
	Layers   int              `json:"layers"`
	Policy   Policy           `json:"policy"`
	Rebased  bool             `json:"rebased"`
	Vouched  bool             `json:"vouched"`
	Packages []Package        `json:"packages"`
	Tools    []Tool           `json:"tools"`
	Findings []Finding        `json:"findings"`
	Missing  []string         `json:"missing"`
	Gates    []Gate           `json:"gates,omitempty"`
	Settled  []Settled        `json:"settled,omitempty"`
	Entries  *json.RawMessage `json:"entries,omitempty"`
}

type identityJSON struct {
	Manifest string   `json:"manifest"`
	Index    string   `json:"index,omitempty"`
	Config   string   `json:"config"`
	DiffIDs  []string `json:"diffIDs"`
	Platform string   `json:"platform"`
}

func split(s string) (plain, b64 string) {
	if utf8.ValidString(s) {
		return s, ""
	}
	return "", base64.StdEncoding.EncodeToString([]byte(s))
}

func join(plain, b64 string) (string, error) {
	if b64 == "" {
		return plain, nil
	}
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil || plain != "" {
		return "", errors.New("a path is not readable base64, or is given twice")
	}
	return string(raw), nil
}

// Write writes canonical JSON: members in a fixed order, a line a record, so
// that the same plans are the same bytes.
func (d *Document) Write(w io.Writer) error {
	bw := bufio.NewWriter(w)
	fmt.Fprintf(bw, "{\"apiVersion\":%q,\"kind\":%q,\"platforms\":[", APIVersion, DocKind) //nolint:errcheck // a bufio.Writer keeps its error for Flush
	for i, s := range d.Platforms {
		if i > 0 {
			bw.WriteByte(',') //nolint:errcheck // a bufio.Writer keeps its error for Flush
		}
		if err := s.write(bw); err != nil {
			return fmt.Errorf("writing the plan for %s: %w", s.Platform, err)
		}
	}
	bw.WriteString("]}\n") //nolint:errcheck // likewise
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

func (s Section) write(w *bufio.Writer) error {
	pl := s.Plan
	head, err := encode(headJSON{
		Platform: s.Platform, Layers: pl.Layers, Policy: pl.Policy, Rebased: pl.Rebased, Vouched: pl.Vouched,
		Source: identityJSON{
			Manifest: pl.Source.ManifestDigest, Index: pl.Source.IndexDigest, Config: pl.Source.ConfigDigest,
			DiffIDs: pl.Source.DiffIDs, Platform: pl.Source.Platform,
		},
		Packages: orEmpty(pl.Packages), Tools: orEmpty(pl.Tools), Findings: orEmpty(pl.Findings), Missing: orEmpty(pl.Missing),
		Gates: pl.Gates, Settled: pl.Settled,
	})
	if err != nil {
		return err
	}
	w.WriteString("\n")             //nolint:errcheck // a bufio.Writer keeps its error for Flush
	w.Write(head[:len(head)-1])     //nolint:errcheck // likewise
	w.WriteString(",\"entries\":[") //nolint:errcheck // likewise
	for i, r := range pl.Records.All() {
		out := recordJSON{
			Layer: r.Layer, Type: r.Type, Class: r.Class, Action: r.Action, Size: r.Size, NewSize: r.NewSize, SHA256: r.SHA256.String(),
			Reason: reason{Kind: r.Reason.Kind, Note: r.Reason.Note},
		}
		out.Path, out.PathB64 = split(r.Path)
		if r.Meta != (Meta{}) {
			out.Meta = &r.Meta
		}
		out.Reason.From, out.Reason.FromB64 = split(r.Reason.From)
		line, err := encode(out)
		if err != nil {
			return err
		}
		if i > 0 {
			w.WriteByte(',') //nolint:errcheck // likewise
		}
		w.WriteByte('\n') //nolint:errcheck // likewise
		w.Write(line)     //nolint:errcheck // likewise
	}
	w.WriteString("\n]}") //nolint:errcheck // likewise
	return nil
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return plainjson.Escape(bytes.TrimRight(buf.Bytes(), "\n")), nil
}

// ReadDocument reads a plan.json. The plans can be explained, compared and
// verified against; they cannot be applied.
func ReadDocument(r io.Reader) (*Document, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	if len(raw) > MaxDocument {
		return nil, fmt.Errorf("the plan is over %d bytes", MaxDocument)
	}
	var doc struct {
		APIVersion string     `json:"apiVersion"`
		Kind       string     `json:"kind"`
		Platforms  []headJSON `json:"platforms"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading the plan: something follows the document")
	}
	if doc.APIVersion != APIVersion || doc.Kind != DocKind {
		return nil, fmt.Errorf("reading the plan: it is %q %q, not %s %s", doc.APIVersion, doc.Kind, APIVersion, DocKind)
	}
	d := &Document{}
	for _, h := range doc.Platforms {
		pl, err := h.plan()
		if err != nil {
			return nil, fmt.Errorf("reading the plan for %q: %w", h.Platform, err)
		}
		d.Platforms = append(d.Platforms, Section{Platform: h.Platform, Plan: pl})
	}
	return d, nil
}

func (h headJSON) plan() (*Plan, error) {
	pl := &Plan{
		Layers: h.Layers, Policy: h.Policy, Rebased: h.Rebased, Vouched: h.Vouched, Packages: h.Packages, Tools: h.Tools,
		Findings: h.Findings, Missing: h.Missing, Gates: h.Gates, Settled: h.Settled,
		Source: profile.Identity{
			ManifestDigest: h.Source.Manifest, IndexDigest: h.Source.Index, ConfigDigest: h.Source.Config,
			DiffIDs: h.Source.DiffIDs, Platform: h.Source.Platform,
		},
	}
	if h.Layers < 0 || h.Layers > 1<<16 {
		return nil, fmt.Errorf("it has %d layers", h.Layers)
	}
	if h.Entries == nil {
		return nil, errors.New("it has no entries")
	}
	dec := json.NewDecoder(bytes.NewReader(*h.Entries))
	dec.DisallowUnknownFields()
	var entries []recordJSON
	if err := dec.Decode(&entries); err != nil {
		return nil, fmt.Errorf("entries: %w", err)
	}
	for i, e := range entries {
		r, err := e.record(h.Layers)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		pl.Records.Append(r)
	}
	pl.Records.settle()
	pl.index()
	pl.resolve = pl.resolver()
	return pl, nil
}

func (e recordJSON) record(layers int) (Record, error) {
	name, err := join(e.Path, e.PathB64)
	if err != nil {
		return Record{}, err
	}
	from, err := join(e.Reason.From, e.Reason.FromB64)
	if err != nil {
		return Record{}, err
	}
	switch e.Action {
	case ActKeep, ActDrop, ActRewrite:
	default:
		return Record{}, fmt.Errorf("unknown action %q", e.Action)
	}
	if name == "" || e.Layer < 0 || e.Layer >= layers || e.Size < 0 || e.NewSize < 0 {
		return Record{}, errors.New("it has no path, or a number that cannot be")
	}
	if !isType(e.Type) || !isClass(e.Class) {
		return Record{}, fmt.Errorf("unknown type %q or class %q", e.Type, e.Class)
	}
	var meta Meta
	if e.Meta != nil {
		meta = *e.Meta
	}
	var sum Digest
	if n, err := hex.Decode(sum[:], []byte(e.SHA256)[:min(len(e.SHA256), 2*len(sum))]); e.SHA256 != "" && (err != nil || n != len(sum) || sum.String() != e.SHA256) {
		return Record{}, fmt.Errorf("%q is no SHA-256 in hex", e.SHA256)
	}
	return Record{
		Layer: e.Layer, Path: name, Type: e.Type, Class: e.Class, Action: e.Action, Size: e.Size, NewSize: e.NewSize,
		SHA256: sum, Meta: meta, Reason: Reason{Kind: e.Reason.Kind, From: from, Note: e.Reason.Note},
	}, nil
}

func isType(s string) bool {
	for t := layers.Regular; t <= layers.Leftover; t++ {
		if s == t.String() {
			return true
		}
	}
	return false
}

func isClass(s string) bool {
	for _, name := range classNames() {
		if s == name {
			return true
		}
	}
	return s == ""
}

// maxSteps bounds how many links the resolving of one path follows.
const maxSteps = 40

// resolver follows links that a plan has records of, inside the root.
func (pl *Plan) resolver() func(string) (string, error) {
	links := map[string]string{}
	for _, r := range pl.Records.All() {
		if r.Class != "" && r.Type == layers.Symlink.String() {
			links[r.Path] = r.Meta.Link
		}
	}
	return func(name string) (string, error) {
		todo := strings.Split(strings.Trim(name, "/"), "/")
		at := "."
		for steps := 0; len(todo) > 0; {
			next := path.Join(at, todo[0])
			todo = todo[1:]
			link, ok := links[next]
			if !ok {
				at = next
				continue
			}
			if steps++; steps > maxSteps {
				return "", errors.New("too many levels of symbolic links")
			}
			if strings.HasPrefix(link, "/") {
				at = "."
			}
			todo = append(strings.Split(strings.Trim(link, "/"), "/"), todo...)
		}
		return at, nil
	}
}

// index makes decisions from records: what is in the root filesystem has a
// class. Directories that no entry names are not in a document.
func (pl *Plan) index() {
	for i := pl.Records.Len() - 1; i >= 0; i-- { // of a directory in several layers the topmost entry counts
		if r := pl.Records.At(i); r.Class != "" {
			pl.decisions = append(pl.decisions, Decision{Path: r.Path, Keep: r.Action != ActDrop, Reason: r.Reason})
		}
	}
	slices.SortStableFunc(pl.decisions, func(a, b Decision) int { return comparePaths(a.Path, b.Path) })
	pl.decisions = slices.CompactFunc(pl.decisions, func(a, b Decision) bool { return a.Path == b.Path })
}
