package foreign

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"sigs.k8s.io/yaml"

	"github.com/lathe-build/lathe/profile"
)

// Bounds of looking at a file.
const (
	maxShapes = 20
	maxKeys   = 1000
)

// Shape is what one of the first objects of a file looks like.
type Shape struct {
	APIVersion string
	Kind       string
	keys       map[string]bool // lower case, with those one level down as "a.b"
}

// Has reports whether the object has all of these members. Those one level down
// are written "a.b". The case of letters does not matter.
func (s Shape) Has(keys ...string) bool {
	for _, key := range keys {
		if !s.keys[strings.ToLower(key)] {
			return false
		}
	}
	return true
}

// AnyShape reports whether one of the first objects of a file is as wanted.
func AnyShape(head []byte, wanted func(Shape) bool) bool {
	for _, s := range Shapes(head) {
		if wanted(s) {
			return true
		}
	}
	return false
}

// IsJSON reports whether a file that starts like this holds JSON objects.
func IsJSON(head []byte) bool {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

// Shapes looks at the first objects of a file of which head is the beginning:
// JSON, also where it is cut off, or whole YAML documents.
func Shapes(head []byte) []Shape {
	if !IsJSON(head) {
		return yamlShapes(head)
	}
	var shapes []Shape
	text := bytes.TrimPrefix(head, []byte("\ufeff"))
	for len(shapes) < maxShapes && len(text) > 0 {
		start := bytes.IndexByte(text, '{')
		if start < 0 {
			break
		}
		text = text[start:]
		var s scanner
		end := s.scan(text)
		value := text
		if end > 0 {
			value = text[:end]
		}
		shapes = append(shapes, jsonShapes(value)...)
		line := bytes.IndexByte(text, '\n')
		switch {
		case end > 0:
			text = text[end:]
		case line >= 0: // damaged, or cut off by the end of what is known
			text = text[line+1:]
		default:
			return shapes
		}
	}
	return shapes
}

// jsonShapes is the shape of an object that may be cut off, and those of its
// items where it is a list.
func jsonShapes(value []byte) []Shape {
	d := &shaper{in: jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	shape := Shape{keys: map[string]bool{}}
	d.object(&shape, "", 0)
	if shape.Kind != "" || len(shape.keys) > 0 {
		return append([]Shape{shape}, d.items...)
	}
	return d.items
}

// shaper reads the names of members.
type shaper struct {
	in    *jsontext.Decoder
	items []Shape
}

// object reads an object and reports whether it had an end.
func (d *shaper) object(shape *Shape, prefix string, depth int) bool {
	if token, err := d.in.ReadToken(); err != nil || token.Kind() != '{' {
		return false
	}
	for d.in.PeekKind() == '"' {
		token, err := d.in.ReadToken()
		if err != nil {
			return false
		}
		key := prefix + strings.ToLower(token.String())
		if len(shape.keys) < maxKeys {
			shape.keys[key] = true
		}
		if !d.member(shape, key, depth) {
			return false
		}
	}
	_, err := d.in.ReadToken()
	return err == nil
}

func (d *shaper) member(shape *Shape, key string, depth int) bool {
	switch kind := d.in.PeekKind(); {
	case kind == '{' && depth == 0:
		return d.object(shape, key+".", depth+1)
	case kind == '[' && key == "items":
		return d.list()
	case kind == '"' && depth == 0 && (key == "apiversion" || key == "kind"):
		token, err := d.in.ReadToken()
		if err != nil {
			return false
		}
		if key == "kind" {
			shape.Kind = token.String()
		} else {
			shape.APIVersion = token.String()
		}
		return true
	default:
		return d.in.SkipValue() == nil
	}
}

// list reads the items of a list.
func (d *shaper) list() bool {
	if _, err := d.in.ReadToken(); err != nil {
		return false
	}
	for d.in.PeekKind() == '{' && len(d.items) < maxShapes {
		item := Shape{keys: map[string]bool{}}
		whole := d.object(&item, "", 0)
		d.items = append(d.items, item)
		if !whole {
			return false
		}
	}
	if d.in.PeekKind() != ']' {
		return false
	}
	_, err := d.in.ReadToken()
	return err == nil
}

// yamlShapes is the shapes of the documents of YAML. Of one that does not
// parse, because it is cut off, it is what stands at the margin.
func yamlShapes(head []byte) []Shape {
	var shapes []Shape
	for _, doc := range profile.SplitYAML(head) {
		if len(shapes) >= maxShapes {
			break
		}
		if text, err := yaml.YAMLToJSON(doc.Text); err == nil {
			shapes = append(shapes, jsonShapes(text)...)
			continue
		}
		shape := Shape{keys: map[string]bool{}}
		for line := range bytes.Lines(doc.Text) {
			name, value, ok := strings.Cut(string(line), ":")
			if !ok || name == "" || strings.ContainsAny(name, " \t\"'#") || len(shape.keys) >= maxKeys {
				continue
			}
			value = strings.Trim(strings.TrimSpace(value), `"'`)
			shape.keys[strings.ToLower(name)] = true
			switch name {
			case "kind":
				shape.Kind = value
			case "apiVersion":
				shape.APIVersion = value
			}
		}
		shapes = append(shapes, shape)
	}
	return shapes
}

// toText makes what an input holds fit for a message: control characters and
// bytes that are not UTF-8 are escaped.
func toText(s string) string {
	quoted := strconv.Quote(s)
	inner := quoted[1 : len(quoted)-1]
	return strings.ReplaceAll(inner, `\"`, `"`)
}
