package profile

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// document is a profile in its envelope.
type document struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Profile
}

// Canonical is the one JSON form of p: keys and arrays sorted, empty fields
// left out, one entry a line, a newline at the end. Profiles that hold the same
// facts, in whatever order, have the same bytes. It fails for strings other
// than paths that are not UTF-8, for times that RFC 3339 cannot say, and
// wherever [Merge] of p alone does. It does not validate.
func (p *Profile) Canonical() ([]byte, error) {
	sorted, err := Merge(p)
	if err != nil {
		return nil, err
	}
	e := encoder{lines: true, out: make([]byte, 0, sorted.size())}
	doc := document{APIVersion: APIVersion, Kind: Kind, Profile: *sorted}
	if err := e.value(reflect.ValueOf(doc)); err != nil {
		return nil, fmt.Errorf("encoding the profile: %w", err)
	}
	return append(e.out, '\n'), nil
}

// size is about how many bytes the JSON of most profiles has.
func (p *Profile) size() int {
	n := 16 << 10
	for i := range p.Files {
		n += 160 + len(p.Files[i].Path)
	}
	return n + 400*(len(p.Executables)+len(p.Network.Connect)+len(p.Network.Accept)) + 200*len(p.Missing)
}

// Write writes [Profile.Canonical] to w.
func (p *Profile) Write(w io.Writer) error {
	data, err := p.Canonical()
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	return nil
}

// MarshalJSON is [Profile.Canonical]. Entries on their own have no such method
// and do not encode paths that are not UTF-8 as the format wants it.
func (p *Profile) MarshalJSON() ([]byte, error) { return p.Canonical() }

// MarshalJSON encodes p as a list does: a string, or {"b64": ...} where p is
// not UTF-8.
func (p Path) MarshalJSON() ([]byte, error) {
	e := encoder{}
	e.path(p)
	return e.out, nil
}

// SourceID is the id that s has to have: "s-" and the first 12 hex digits of
// the SHA-256 of its canonical JSON, without line breaks and without the id. It
// is "" for a source that has no canonical JSON.
func SourceID(s Source) string {
	s = sortedSource(s)
	s.ID = ""
	e := encoder{}
	if err := e.value(reflect.ValueOf(s)); err != nil {
		return ""
	}
	sum := sha256.Sum256(e.out)
	return "s-" + hex.EncodeToString(sum[:])[:12]
}

// encoder writes values of this package's types in canonical form, except for
// the order of lists, which is the caller's.
type encoder struct {
	out    []byte
	lines  bool // one entry a line
	fields map[reflect.Type][]field
}

// field is a field of a struct as the document names it.
type field struct {
	name   string
	index  []int
	isPath bool
}

func (e *encoder) value(v reflect.Value) error {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		return e.time(timeOf(v))
	case reflect.TypeFor[Path]():
		e.path(Path(v.String()))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		return e.string(v.String())
	case reflect.Bool:
		e.out = strconv.AppendBool(e.out, v.Bool())
	case reflect.Int, reflect.Int64:
		e.out = strconv.AppendInt(e.out, v.Int(), 10)
	case reflect.Uint32:
		e.out = strconv.AppendUint(e.out, v.Uint(), 10)
	case reflect.Slice:
		return e.list(v)
	case reflect.Map:
		return e.object(v)
	case reflect.Struct:
		return e.structure(v)
	default:
		return fmt.Errorf("no encoding for %s", v.Type())
	}
	return nil
}

func (e *encoder) list(v reflect.Value) error {
	entries := e.lines && v.Type().Elem().Kind() == reflect.Struct
	e.out = append(e.out, '[')
	for i := range v.Len() {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		if entries {
			e.out = append(e.out, '\n')
		}
		if err := e.value(v.Index(i)); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	e.out = append(e.out, ']')
	return nil
}

func (e *encoder) object(v reflect.Value) error {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	e.out = append(e.out, '{')
	for i, key := range keys {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		if err := e.string(key.String()); err != nil {
			return err
		}
		e.out = append(e.out, ':')
		if err := e.value(v.MapIndex(key)); err != nil {
			return fmt.Errorf("%q: %w", key.String(), err)
		}
	}
	e.out = append(e.out, '}')
	return nil
}

func (e *encoder) structure(v reflect.Value) error {
	if e.fields == nil {
		e.fields = map[reflect.Type][]field{}
	}
	fields, ok := e.fields[v.Type()]
	if !ok {
		fields = fieldsOf(v.Type())
		e.fields[v.Type()] = fields
	}
	top := v.Type() == reflect.TypeFor[document]()
	e.out = append(e.out, '{')
	first := true
	for _, f := range fields {
		value := v.FieldByIndex(f.index)
		if isEmpty(value) {
			continue
		}
		if !first {
			e.out = append(e.out, ',')
			if top {
				e.out = append(e.out, '\n')
			}
		}
		first = false
		if err := e.member(f, value); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	e.out = append(e.out, '}')
	return nil
}

func (e *encoder) member(f field, value reflect.Value) error {
	if f.isPath && !utf8.ValidString(value.String()) {
		e.out = append(e.out, '"')
		e.out = append(e.out, f.name...)
		e.out = append(e.out, `B64":"`...)
		e.out = base64.StdEncoding.AppendEncode(e.out, []byte(value.String()))
		e.out = append(e.out, '"')
		return nil
	}
	e.out = append(e.out, '"')
	e.out = append(e.out, f.name...)
	e.out = append(e.out, `":`...)
	return e.value(value)
}

func (e *encoder) path(p Path) {
	if utf8.ValidString(string(p)) {
		e.out = appendString(e.out, string(p))
		return
	}
	e.out = append(e.out, `{"b64":"`...)
	e.out = base64.StdEncoding.AppendEncode(e.out, []byte(p))
	e.out = append(e.out, `"}`...)
}

func (e *encoder) string(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%q is not UTF-8", s)
	}
	e.out = appendString(e.out, s)
	return nil
}

func (e *encoder) time(t time.Time) error {
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return fmt.Errorf("the year %d is out of range", t.Year())
	}
	e.out = append(e.out, '"')
	e.out = t.AppendFormat(e.out, time.RFC3339Nano)
	e.out = append(e.out, '"')
	return nil
}

// timeOf is the time in v, which has to be one.
func timeOf(v reflect.Value) time.Time {
	t, _ := v.Interface().(time.Time)
	return t
}

// appendString quotes s with the fewest escapes that JSON allows.
func appendString(out []byte, s string) []byte {
	out = append(out, '"')
	plain := 0 // where what needs no escape starts
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		out = append(out, s[plain:i]...)
		plain = i + 1
		if c < ' ' {
			out = append(out, `\u00`...)
			out = append(out, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		} else {
			out = append(out, '\\', c)
		}
	}
	return append(append(out, s[plain:]...), '"')
}

// fieldsOf is the fields of a struct, promoted ones too, sorted by name.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("json"); name != "" {
			fields = append(fields, field{name, f.Index, f.Type == reflect.TypeFor[Path]()})
		}
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return fields
}

// isEmpty reports whether v is left out of the document.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return timeOf(v).IsZero()
		}
		for i := range v.NumField() {
			if !isEmpty(v.Field(i)) {
				return false
			}
		}
		return true
	default:
		return v.IsZero()
	}
}

// Equal reports whether p and q hold the same facts.
func (p *Profile) Equal(q *Profile) bool {
	a, errA := p.Canonical()
	b, errB := q.Canonical()
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

var _ json.Marshaler = (*Profile)(nil)
