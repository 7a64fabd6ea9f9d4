package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// maxSkipDepth bounds the nesting of x- fields, which are not decoded.
const maxSkipDepth = 100

// maxInterned bounds the table of repeated strings.
const maxInterned = 1 << 16

// decodeProfile decodes and validates one JSON document.
func decodeProfile(data []byte, lim Limits, fromYAML bool) (*Profile, error) {
	in := json.NewDecoder(bytes.NewReader(data))
	in.UseNumber()
	d := &decoder{in: in, lim: lim, interned: map[string]string{}, fields: map[reflect.Type]map[string]member{}}
	if fromYAML {
		d.fields[reflect.TypeFor[Count]()] = yamlCount()
	}
	var doc document
	err := d.value(reflect.ValueOf(&doc).Elem())
	if err == nil {
		if _, trailing := in.Token(); !errors.Is(trailing, io.EOF) {
			err = errors.New("there is something after the end of the document")
		}
	}
	if foreign := checkEnvelope(doc, data, err); foreign != nil {
		return nil, foreign
	}
	if err != nil {
		return nil, positioned(err, data, in.InputOffset())
	}
	if err := doc.Validate(); err != nil {
		return nil, err
	}
	return &doc.Profile, nil
}

// UnmarshalJSON is [Read] of plain JSON with default limits.
func (p *Profile) UnmarshalJSON(data []byte) error {
	q, err := Read(bytes.NewReader(data), Limits{})
	if err != nil {
		return err
	}
	*p = *q
	return nil
}

// UnmarshalJSON decodes a string or {"b64": ...}.
func (p *Path) UnmarshalJSON(data []byte) error {
	in := json.NewDecoder(bytes.NewReader(data))
	d := &decoder{in: in, lim: Limits{}.withDefaults(), interned: map[string]string{}}
	return d.path(reflect.ValueOf(p).Elem())
}

// checkEnvelope says which document this is when it is not ours. Such documents
// mostly fail at a field before their version is known, so it looks for it.
func checkEnvelope(doc document, data []byte, decoding error) error {
	if decoding != nil && (doc.APIVersion == "" || doc.Kind == "") {
		var head struct {
			APIVersion any `json:"apiVersion"`
			Kind       any `json:"kind"`
		}
		if err := json.Unmarshal(data, &head); err != nil {
			return nil //nolint:nilerr // the caller has the decoding error, which knows more
		}
		doc.APIVersion, _ = head.APIVersion.(string)
		doc.Kind, _ = head.Kind.(string)
	}
	if doc.APIVersion == APIVersion && doc.Kind == Kind {
		return nil
	}
	return fmt.Errorf("%w: it has apiVersion %s and kind %s", ErrForeign, orNone(doc.APIVersion), orNone(doc.Kind))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return strconv.Quote(shorten(s))
}

// decoder reads values of this package's types: strictly, within limits, with
// errors that name the field.
type decoder struct {
	in              *json.Decoder
	lim             Limits
	entries, values int
	interned        map[string]string
	fields          map[reflect.Type]map[string]member
}

// member is a field of a struct, and whether this name of it takes base64.
type member struct {
	field
	base64 bool
}

func (d *decoder) value(v reflect.Value) error {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		return d.time(v)
	case reflect.TypeFor[Path]():
		return d.path(v)
	}
	switch v.Kind() {
	case reflect.Slice:
		return d.list(v)
	case reflect.Map:
		return d.object(v)
	case reflect.Struct:
		return d.structure(v)
	default:
		token, err := d.in.Token()
		if err != nil {
			return err
		}
		return d.scalar(v, token)
	}
}

// open reads the token that starts a list or object; null starts none.
func (d *decoder) open(want json.Delim, name string) (bool, error) {
	token, err := d.in.Token()
	if err != nil {
		return false, err
	}
	if token == nil {
		return false, nil
	}
	if token != want {
		return false, unexpected(name, token)
	}
	return true, nil
}

func (d *decoder) list(v reflect.Value) error {
	ok, err := d.open('[', "a list")
	if err != nil || !ok {
		return err
	}
	kind := v.Type().Elem()
	for i := 0; d.in.More(); i++ {
		name := func() string { return "[" + strconv.Itoa(i) + "]" }
		if err := d.count(kind); err != nil {
			return at(name(), err)
		}
		v.Set(reflect.Append(v, reflect.Zero(kind)))
		if err := d.value(v.Index(i)); err != nil {
			return at(name(), err)
		}
	}
	_, err = d.in.Token()
	return err
}

func (d *decoder) count(kind reflect.Type) error {
	if d.values++; d.values > d.lim.Values {
		return fmt.Errorf("more than %d values in the document", d.lim.Values)
	}
	if kind.Kind() != reflect.Struct {
		return nil
	}
	if d.entries++; d.entries > d.lim.Entries {
		return fmt.Errorf("more than %d entries in the document", d.lim.Entries)
	}
	return nil
}

func (d *decoder) object(v reflect.Value) error {
	ok, err := d.open('{', "an object")
	if err != nil || !ok {
		return err
	}
	v.Set(reflect.MakeMap(v.Type()))
	for d.in.More() {
		key, err := d.key()
		if err != nil {
			return err
		}
		name := reflect.ValueOf(key)
		if v.MapIndex(name).IsValid() {
			return at(printable(key), errors.New("it is given twice"))
		}
		value := reflect.New(v.Type().Elem()).Elem()
		if err := d.count(value.Type()); err != nil {
			return at(printable(key), err)
		}
		if err := d.value(value); err != nil {
			return at(printable(key), err)
		}
		v.SetMapIndex(name, value)
	}
	_, err = d.in.Token()
	return err
}

func (d *decoder) structure(v reflect.Value) error {
	ok, err := d.open('{', "an object")
	if err != nil || !ok {
		return err
	}
	members := d.membersOf(v.Type())
	var given []string
	for d.in.More() {
		key, err := d.key()
		if err != nil {
			return err
		}
		if strings.HasPrefix(key, "x-") {
			if err := d.skip(); err != nil {
				return at(printable(key), err)
			}
			continue
		}
		m, ok := members[key]
		if !ok {
			return at(printable(key), errors.New("no such field (only fields that start with x- are ignored)"))
		}
		for _, name := range given {
			if name == m.name {
				return at(key, errors.New("it is given twice"))
			}
		}
		given = append(given, m.name)
		if err := d.member(v.FieldByIndex(m.index), m); err != nil {
			return at(key, err)
		}
	}
	_, err = d.in.Token()
	return err
}

func (d *decoder) member(v reflect.Value, m member) error {
	if m.base64 {
		return d.base64(v)
	}
	if !m.isPath {
		return d.value(v)
	}
	token, err := d.in.Token()
	if err != nil {
		return err
	}
	return d.scalar(v, token)
}

func (d *decoder) key() (string, error) {
	token, err := d.in.Token()
	if err != nil {
		return "", err
	}
	key, ok := token.(string)
	if !ok {
		return "", unexpected("a field name", token)
	}
	if len(key) > d.lim.StringBytes {
		return "", fmt.Errorf("a field name longer than %d bytes", d.lim.StringBytes)
	}
	return d.intern(key), nil
}

// skip reads a value of any shape.
func (d *decoder) skip() error {
	for depth := 0; ; {
		token, err := d.in.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxSkipDepth {
			return fmt.Errorf("more than %d levels deep", maxSkipDepth)
		}
		if depth == 0 {
			return nil
		}
	}
}

func (d *decoder) membersOf(t reflect.Type) map[string]member {
	if members, ok := d.fields[t]; ok {
		return members
	}
	members := membersOf(t)
	d.fields[t] = members
	return members
}

func membersOf(t reflect.Type) map[string]member {
	members := map[string]member{}
	for _, f := range fieldsOf(t) {
		members[f.name] = member{f, false}
		if f.isPath {
			members[f.name+"B64"] = member{f, true}
		}
	}
	return members
}

// yamlCount is the members of [Count] under the names that they have after
// conversion from YAML 1.1, in which n without quotes means false.
func yamlCount() map[string]member {
	members := membersOf(reflect.TypeFor[Count]())
	members["false"] = members["n"]
	return members
}

// intern makes equal short strings one string.
func (d *decoder) intern(s string) string {
	if len(s) > 64 {
		return s
	}
	if old, ok := d.interned[s]; ok {
		return old
	}
	if len(d.interned) < maxInterned {
		d.interned[s] = s
	}
	return s
}
