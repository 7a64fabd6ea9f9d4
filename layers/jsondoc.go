package layers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// object is a JSON object whose members keep their order and their bytes, so
// that a document with one member changed is otherwise as it was, fields that
// nobody here knows included.
type object struct {
	members []member
}

type member struct {
	key   string
	value json.RawMessage
}

var errDuplicate = errors.New("the document has a member twice, and readers disagree about which counts")

// unambiguous refuses a JSON document in which an object, however deep, has a
// member twice. The standard library has checked depth and syntax before.
func unambiguous(raw []byte) error {
	type level struct {
		keys map[string]bool // of an object; nil in an array
		key  bool            // the next token is a member's name
	}
	var stack []level
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading JSON: %w", err)
		}
		top := len(stack) - 1
		switch tok {
		case json.Delim('{'):
			stack = append(stack, level{keys: map[string]bool{}, key: true})
			continue
		case json.Delim('['):
			stack = append(stack, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
			top--
		default:
			if name, ok := tok.(string); ok && top >= 0 && stack[top].key {
				if stack[top].keys[name] {
					return fmt.Errorf("%q: %w", name, errDuplicate)
				}
				stack[top].keys[name], stack[top].key = true, false
				continue
			}
		}
		if top >= 0 && stack[top].keys != nil {
			stack[top].key = true // a value is done
		}
	}
}

// parseObject reads one JSON object and nothing after it. Names that differ in
// case only are refused, since some readers take them for one.
func parseObject(raw []byte) (*object, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	tok, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	if tok != json.Delim('{') {
		return nil, errors.New("reading JSON: not an object")
	}
	o := &object{}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("reading JSON: %w", err)
		}
		key, ok := tok.(string)
		if !ok {
			return nil, errors.New("reading JSON: a member without a name")
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("reading JSON member %q: %w", key, err)
		}
		folded := strings.ToLower(key)
		if seen[folded] {
			return nil, fmt.Errorf("%q: %w", key, errDuplicate)
		}
		seen[folded] = true
		o.members = append(o.members, member{key, value})
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading JSON: something follows the document")
	}
	return o, nil
}

func (o *object) get(key string) (json.RawMessage, bool) {
	for _, m := range o.members {
		if m.key == key {
			return m.value, true
		}
	}
	return nil, false
}

// set replaces a member in its place or adds it at the end.
func (o *object) set(key string, value any) error {
	raw, err := marshal(value)
	if err != nil {
		return fmt.Errorf("writing JSON member %q: %w", key, err)
	}
	for i := range o.members {
		if o.members[i].key == key {
			o.members[i].value = raw
			return nil
		}
	}
	o.members = append(o.members, member{key, raw})
	return nil
}

func (o *object) remove(key string) {
	for i := range o.members {
		if o.members[i].key == key {
			o.members = append(o.members[:i], o.members[i+1:]...)
			return
		}
	}
}

// marshal is json.Marshal that leaves <, > and & as they are.
func marshal(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case json.RawMessage:
		return v, nil
	case *object:
		return v.bytes(), nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

func (o *object) bytes() []byte {
	var buf bytes.Buffer
	buf.WriteByte('{')
	for i, m := range o.members {
		if i > 0 {
			buf.WriteByte(',')
		}
		key, _ := marshal(m.key) // a string always encodes
		buf.Write(key)
		buf.WriteByte(':')
		buf.Write(m.value)
	}
	buf.WriteByte('}')
	return buf.Bytes()
}

// array reads a JSON array into its raw elements.
func array(raw json.RawMessage) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("reading a JSON array: %w", err)
	}
	return list, nil
}
