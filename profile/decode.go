package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// maxSkipDepth bounds the nesting of x- fields, which are not decoded.
const maxSkipDepth = 100

// maxInterned is how many strings are remembered, since most repeat.
const maxInterned = 1 << 12

// minInterned is the bytes of a document from which on it pays.
const minInterned = 4 << 10

// decodeProfile decodes and validates one JSON document.
func decodeProfile(data []byte, lim Limits, fromYAML bool) (*Profile, error) {
	in := newTokens(data)
	d := &decoder{in: in, lim: lim, fields: map[reflect.Type]map[string]member{}}
	if fromYAML {
		d.fields[reflect.TypeFor[Count]()] = yamlCount()
	}
	var doc document
	err := d.value(reflect.ValueOf(&doc).Elem())
	if err == nil && !in.ended() {
		err = errors.New("there is something after the end of the document")
	}
	if foreign := checkEnvelope(doc, data, err); foreign != nil {
		return nil, foreign
	}
	if err != nil {
		return nil, positioned(err, data, in.offset())
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
	d := &decoder{in: newTokens(data), lim: Limits{}.withDefaults()}
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
	in              *tokens
	lim             Limits
	entries, values int
	fields          map[reflect.Type]map[string]member
	lists           [64][]string // that were read, to read them once
	scratch         []string
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
		token, err := d.in.next()
		if err != nil {
			return err
		}
		return d.scalar(v, token)
	}
}

// open reads the token that starts a list or object; null starts none.
func (d *decoder) open(want jsontext.Kind, name string) (bool, error) {
	token, err := d.in.next()
	if err != nil {
		return false, err
	}
	if token.kind == 'n' {
		return false, nil
	}
	if token.kind != want {
		return false, unexpected(name, token)
	}
	return true, nil
}

func (d *decoder) list(v reflect.Value) error {
	if words, ok := v.Addr().Interface().(*[]string); ok {
		return d.words(words)
	}
	ok, err := d.open('[', "a list")
	if err != nil || !ok {
		return err
	}
	kind := v.Type().Elem()
	for i := 0; d.in.more(); i++ {
		err := d.count(kind)
		if err == nil {
			if v.Len() == v.Cap() {
				v.Grow(1 + v.Len()/2)
			}
			v.SetLen(i + 1)
			err = d.value(v.Index(i))
		}
		if err != nil {
			return at("["+strconv.Itoa(i)+"]", err)
		}
	}
	_, err = d.in.next()
	return err
}

// words reads a list of strings. Most come again and again: those that are
// remembered share their memory until [Merge] copies them.
func (d *decoder) words(to *[]string) error {
	ok, err := d.open('[', "a list")
	if err != nil || !ok {
		return err
	}
	list, hash := d.scratch[:0], uint(0)
	for i := 0; d.in.more(); i++ {
		err := d.count(reflect.TypeFor[string]())
		var word string
		if err == nil {
			word, err = d.text()
		}
		if err != nil {
			return at("["+strconv.Itoa(i)+"]", err)
		}
		list = append(list, word)
		hash = hash*31 + uint(len(word))
	}
	d.scratch = list
	if len(list) > 0 {
		known := &d.lists[hash%uint(len(d.lists))]
		if !slices.Equal(*known, list) {
			*known = slices.Clip(slices.Clone(list))
		}
		*to = *known
	}
	_, err = d.in.next()
	return err
}

// text reads a string.
func (d *decoder) text() (string, error) {
	token, err := d.in.next()
	switch {
	case err != nil:
		return "", err
	case token.kind != '"':
		return "", unexpected("a string", token)
	case len(token.text) > d.lim.StringBytes:
		return "", fmt.Errorf("a string longer than %d bytes", d.lim.StringBytes)
	default:
		return token.text, nil
	}
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
	for d.in.more() {
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
	_, err = d.in.next()
	return err
}

func (d *decoder) structure(v reflect.Value) error {
	ok, err := d.open('{', "an object")
	if err != nil || !ok {
		return err
	}
	members := d.membersOf(v.Type())
	var room [16]string
	given := room[:0]
	for d.in.more() {
		key, err := d.key()
		if err != nil {
			return err
		}
		if strings.HasPrefix(key, "x-") {
			if err := d.in.skip(); err != nil {
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
	_, err = d.in.next()
	return err
}

func (d *decoder) member(v reflect.Value, m member) error {
	if m.base64 {
		return d.base64(v)
	}
	if !m.isPath {
		return d.value(v)
	}
	token, err := d.in.next()
	if err != nil {
		return err
	}
	return d.scalar(v, token)
}

func (d *decoder) key() (string, error) {
	token, err := d.in.next()
	if err != nil {
		return "", err
	}
	if token.kind != '"' {
		return "", unexpected("a field name", token)
	}
	if len(token.text) > d.lim.StringBytes {
		return "", fmt.Errorf("a field name longer than %d bytes", d.lim.StringBytes)
	}
	return token.text, nil
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
