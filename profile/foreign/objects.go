package foreign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"sigs.k8s.io/yaml"

	"github.com/lathe-build/lathe/profile"
)

// Bounds of files that are read whole.
const (
	maxJSON      = 256 << 20
	maxYAML      = 16 << 20
	maxDocuments = 10_000
	maxObjects   = 100_000   // of all files
	maxValues    = 8_000_000 // in all objects
	maxListDepth = 4         // of lists in lists
)

// objectCount bounds what all objects of an import can hold.
type objectCount struct{ objects, values int64 }

// add counts an object, and fails where they are too many. What may be a value
// counts as one, commas in strings too.
func (c *objectCount) add(o Object) error {
	c.objects++
	for _, mark := range []string{",", "{", "["} {
		c.values += int64(bytes.Count(o.Data, []byte(mark)))
	}
	switch {
	case c.objects > maxObjects:
		return fmt.Errorf("%q, line %d: there are more than %d objects", o.Input, o.Line, maxObjects)
	case c.values > maxValues:
		return fmt.Errorf("%q, line %d: the objects hold more than %d values", o.Input, o.Line, maxValues)
	}
	return nil
}

// Object is one object of a file: a document, or an item of a list.
type Object struct {
	Input      string // name of the file
	Line       int64  // on which its document starts
	APIVersion string // "" where it has none
	Kind       string
	Name       string // metadata.name
	Data       []byte // JSON, the callback's to keep
}

// Objects calls f with every object of all files: JSON values one after another
// or in arrays, and YAML documents. A List gives its items. An error of f is
// damage of that object, unless it is of [Fatal]. Objects fails where there is
// no good one.
func (l *Log) Objects(ctx context.Context, f func(Object) error) error {
	for _, in := range l.inputs {
		if err := l.objectsOf(ctx, in, f); err != nil {
			return fmt.Errorf("importing %s: %w", l.format, err)
		}
	}
	return l.check("objects")
}

func (l *Log) objectsOf(ctx context.Context, in *Input, f func(Object) error) error {
	if IsJSON(in.head) {
		left := int64(maxJSON)
		return newSplitter(in, maxJSON).each(ctx, func(rec Record) error {
			if left -= int64(len(rec.Data)); left < 0 {
				return fmt.Errorf("%q is larger than %d bytes", in.name, maxJSON)
			}
			return l.object(Object{Input: rec.Input, Line: rec.Line, Data: bytes.Clone(rec.Data)}, f, 0)
		}, l.bad)
	}
	data, err := io.ReadAll(io.LimitReader(in, maxYAML+1))
	if err != nil {
		return fmt.Errorf("reading %q: %w", in.name, err)
	}
	if len(data) > maxYAML {
		return fmt.Errorf("%q is YAML and larger than %d bytes: convert it to JSON", in.name, maxYAML)
	}
	docs := profile.SplitYAML(data)
	if len(docs) > maxDocuments {
		return fmt.Errorf("%q has more than %d documents", in.name, maxDocuments)
	}
	left := int64(maxJSON)
	for _, doc := range docs {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec := Record{Input: in.name, Line: int64(doc.Line) + 1}
		text, err := yaml.YAMLToJSON(doc.Text)
		if err != nil {
			var line int
			if line, err = doc.Locate(err); line > 0 {
				rec.Line = int64(line)
			}
		}
		if err != nil && bytes.Contains(doc.Text, []byte("{{")) {
			err = fmt.Errorf("%w; it seems to be the text of a template: render it first", err)
		}
		if err != nil {
			l.bad(rec, err)
			continue
		}
		if left -= int64(len(text)); left < 0 {
			return fmt.Errorf("%q, line %d: its aliases expand to more than %d bytes", in.name, rec.Line, maxJSON)
		}
		if err := l.object(Object{Input: in.name, Line: rec.Line, Data: text}, f, 0); err != nil {
			return err
		}
	}
	return nil
}

// envelope is what all objects of Kubernetes have, in any case of letters.
type envelope struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name any `json:"name"` // y is true in YAML
	} `json:"metadata"`
	Items jsontext.Value `json:"items"`
}

func (l *Log) object(o Object, f func(Object) error, depth int) error {
	if depth == 0 {
		if err := l.objects.add(o); err != nil {
			return err
		}
	}
	var head envelope
	rec := Record{Input: o.Input, Line: o.Line}
	if err := Decode(o.Data, &head); err != nil {
		l.bad(rec, err)
		return nil
	}
	o.APIVersion, o.Kind = head.APIVersion, head.Kind
	o.Name, _ = head.Metadata.Name.(string)
	if !strings.HasSuffix(o.Kind, "List") || len(head.Items) == 0 || head.Items[0] != '[' {
		return l.give(rec, func(Record) error { return f(o) })
	}
	if depth >= maxListDepth {
		l.bad(rec, errors.New("lists in lists"))
		return nil
	}
	var items []jsontext.Value
	if err := Decode(head.Items, &items); err != nil {
		l.bad(rec, err)
		return nil
	}
	if l.objects.objects += int64(len(items)); l.objects.objects > maxObjects {
		return fmt.Errorf("%q, line %d: there are more than %d objects", o.Input, o.Line, maxObjects)
	}
	for _, item := range items {
		if err := l.object(Object{Input: o.Input, Line: o.Line, Data: item}, f, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// Decode decodes one JSON value into a local struct: unknown members are passed
// over, names match in any case of letters, bytes that are not UTF-8 are
// replaced, and of a name that is given twice the last counts. Errors are
// short and name the member.
func Decode(data []byte, v any) error {
	return decodeError(json.Unmarshal(data, v, json.MatchCaseInsensitiveNames(true),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)))
}

// DecodeExact is [Decode] for names that match exactly. It is faster.
func DecodeExact(data []byte, v any) error {
	return decodeError(json.Unmarshal(data, v, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)))
}

// decodeError takes the decoder's own words off an error.
func decodeError(err error) error {
	if err == nil {
		return nil
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		if semantic.JSONPointer != "" {
			return fmt.Errorf("%s: %s does not fit", toText(string(semantic.JSONPointer)), kindName(semantic.JSONKind))
		}
		return fmt.Errorf("%s does not fit", kindName(semantic.JSONKind))
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return fmt.Errorf("not JSON at byte %d: %w", syntax.ByteOffset, syntax.Err)
	}
	return err
}

// kindName is a kind of JSON value for people.
func kindName(kind jsontext.Kind) string {
	switch kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	default:
		return kind.String()
	}
}
