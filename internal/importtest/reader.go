package importtest

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/profile/foreign"
)

// Reader is the fast way in which a format reads a record: it gives the record,
// valid until the next one, and whether it took it. What it does not take is read
// by foreign.DecodeExact.
type Reader[T any] func(data []byte) (*T, bool)

// same checks that a reader finds in a record what the complete decoder does,
// and reports whether it took it. It asks twice: the second time the reader may
// remember parts of it.
func (read Reader[T]) same(t testing.TB, data string) (record *T, taken bool) {
	t.Helper()
	for range 2 {
		got, ok := read([]byte(data))
		if !ok {
			return nil, false
		}
		want := new(T)
		if err := foreign.DecodeExact([]byte(data), want); err != nil {
			t.Fatalf("%s is read, and is wrong: %v", data, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\nis read as  %s\nand is      %s", data, show(reflect.ValueOf(got)), show(reflect.ValueOf(want)))
		}
		record = want
	}
	return record, true
}

// show prints what is in a value, through pointers, without what is zero.
func show(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return "&" + show(v.Elem())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8 && !v.IsNil():
		var list []string
		for i := range v.Len() {
			list = append(list, show(v.Index(i)))
		}
		return "[" + strings.Join(list, " ") + "]"
	case v.Kind() == reflect.Struct:
		var list []string
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				list = append(list, v.Type().Field(i).Name+":"+show(v.Field(i)))
			}
		}
		return "{" + strings.Join(list, " ") + "}"
	default:
		return fmt.Sprintf("%#v", v)
	}
}

// Members checks that a reader takes every member of its record, alone, given
// twice and with another one in every object around both, and that it takes
// every record of a file that is good.
func (read Reader[T]) Members(t *testing.T, file string) {
	t.Helper()
	all := members(reflect.TypeFor[T](), nil)
	for i, m := range all {
		if !read.alone(t, m) {
			t.Errorf("the member %v is not read", m.path)
		}
		next := all[(i+1)%len(all)]
		for at := range m.path {
			if at < len(next.path) && slices.Equal(m.path[:at], next.path[:at]) {
				read.same(t, m.with(at, m.values[0], next, next.values[0]))
				read.same(t, next.with(at, next.values[0], m, m.values[0]))
			}
		}
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if foreign.DecodeExact([]byte(line), new(T)) != nil || strings.Contains(line, `\`) {
			continue
		}
		if _, taken := read.same(t, line); !taken {
			t.Errorf("%s is not read", line)
		}
	}
}

// alone reads a member alone and twice, with all its values, and reports whether
// one was read that is not zero.
func (read Reader[T]) alone(t *testing.T, m member) bool {
	t.Helper()
	found := false
	for at, name := range m.path {
		if name == "" {
			read.same(t, member{path: m.path[:at]}.document(0, "[]"))
		}
	}
	for _, value := range m.values {
		record, taken := read.same(t, m.document(0, value))
		found = found || taken && !reflect.ValueOf(record).Elem().IsZero()
		for _, again := range []string{m.values[0], m.values[len(m.values)-1], "null", "{}"} {
			for at := range m.path {
				read.same(t, m.with(at, value, m, again))
				read.same(t, m.with(at, again, m, value))
			}
		}
	}
	return found
}

// Fuzz compares a reader with the complete decoder on records like those of a
// file.
func (read Reader[T]) Fuzz(f *testing.F, file string) {
	f.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		f.Add(line)
	}
	for i, m := range members(reflect.TypeFor[T](), nil) {
		f.Add(m.with(i%len(m.path), m.values[0], m, m.values[i%len(m.values)]))
	}
	f.Fuzz(func(t *testing.T, text string) { read.same(t, text) })
}

// member is a member of a record that is no object itself, by the names around
// it; "" is an element of an array.
type member struct {
	path   []string
	values []string // in JSON
}

// document is a record with this member only, or what is of it below some names.
func (m member) document(below int, value string) string {
	for i := len(m.path) - 1; i >= below; i-- {
		if m.path[i] == "" {
			value = "[" + value + "]"
		} else {
			value = fmt.Sprintf("{%q:%s}", m.path[i], value)
		}
	}
	return value
}

// with is a record with this member and another, which are apart below the
// same first names.
func (m member) with(below int, value string, other member, theirs string) string {
	ours, theirs := m.document(below, value), other.document(below, theirs)
	around := member{path: m.path[:below]}
	return around.document(0, ours[:len(ours)-1]+","+theirs[1:])
}

// members is the members of a type.
func members(t reflect.Type, path []string) []member {
	below := func(name string) []string { return append(path[:len(path):len(path)], name) }
	if _, ok := reflect.PointerTo(t).MethodByName("UnmarshalJSONFrom"); ok {
		return []member{{path, []string{`"2026-03-01T10:00:00Z"`, `1772359200000000001`, `"6"`, `7`, `-1`, `1.5`, `["a","b"]`, `["a",1]`, `{"value":7}`, `{"seconds":7}`, `true`}}}
	}
	if t == reflect.TypeFor[[]byte]() || t.Name() == "Value" {
		return []member{{path, []string{`{"a": [1, "x"]}`, `"x"`, `1.5e3`}}}
	}
	switch t.Kind() {
	case reflect.Struct:
		var list []member
		for i := range t.NumField() {
			f := t.Field(i)
			if name, ok := f.Tag.Lookup("json"); ok {
				list = append(list, members(f.Type, below(name))...)
			} else {
				list = append(list, members(f.Type, path)...)
			}
		}
		if len(list) == 0 {
			return []member{{path, []string{`{}`, `{"x":1}`}}}
		}
		return list
	case reflect.Pointer:
		return members(t.Elem(), path)
	case reflect.Slice:
		return members(t.Elem(), below(""))
	case reflect.Map:
		return members(t.Elem(), below("key"))
	case reflect.Bool:
		return []member{{path, []string{`true`, `false`, `1`}}}
	default:
		return []member{{path, []string{`"a text that is long enough to be kept by a reader, ä€"`, `"word"`, `""`, `1`}}}
	}
}
