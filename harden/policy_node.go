package harden

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parsePolicy gives the one document of a policy as nodes, which know their
// lines. JSON has a parser of its own: YAML's does not read all of it.
func parsePolicy(data []byte) (*yaml.Node, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if json.Valid(data) {
		return parseJSON(data)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, errors.New("the policy is empty")
	} else if err != nil {
		return nil, fmt.Errorf("it is neither YAML nor JSON: %w", err)
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the document: a policy is one document")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, errors.New("the policy is empty")
	}
	return doc.Content[0], nil
}

// maxPolicyDepth is how deep a policy in JSON nests; the format needs five.
const maxPolicyDepth = 100

// jsonNodes makes nodes of JSON.
type jsonNodes struct {
	dec   *json.Decoder
	data  []byte
	lines int   // above the offset
	read  int64 // the offset
}

func parseJSON(data []byte) (*yaml.Node, error) {
	p := &jsonNodes{dec: json.NewDecoder(bytes.NewReader(data)), data: data}
	p.dec.UseNumber()
	return p.value(0)
}

// line is that of the token just read.
func (p *jsonNodes) line() int {
	at := p.dec.InputOffset()
	p.lines += bytes.Count(p.data[p.read:at], []byte("\n"))
	p.read = at
	return p.lines + 1
}

func (p *jsonNodes) value(depth int) (*yaml.Node, error) {
	if depth > maxPolicyDepth {
		return nil, fmt.Errorf("line %d: more than %d levels deep", p.lines+1, maxPolicyDepth)
	}
	token, err := p.dec.Token()
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", p.lines+1, err)
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: p.line()}
	switch t := token.(type) {
	case string:
		n.Tag, n.Value = "!!str", t
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(t)
	case json.Number:
		n.Tag, n.Value = "!!int", t.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case json.Delim:
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		if t == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
		for p.dec.More() {
			member, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, member)
		}
		if _, err := p.dec.Token(); err != nil {
			return nil, fmt.Errorf("line %d: %w", p.lines+1, err)
		}
	default:
		n.Tag, n.Value = "!!null", "null"
	}
	return n, nil
}

// what names a node for people, its value quoted and cut.
func what(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias, which policies do not have"
	case yaml.ScalarNode:
		value := n.Value
		if len(value) > 60 {
			value = strings.ToValidUTF8(value[:60], "") + "..."
		}
		switch n.ShortTag() {
		case "!!str":
			return strconv.Quote(value)
		case "!!null":
			return "nothing"
		}
		return strconv.Quote(value) + " without its quotes"
	default:
		return "something else"
	}
}
