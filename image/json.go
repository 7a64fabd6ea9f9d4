package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Bounds of documents. Real ones stay below ten levels and a few thousand values;
// an index of as many members as it may have takes about 50,000.
const (
	maxJSONDepth  = 64
	maxJSONValues = 250_000 // keys, values and brackets: what becomes memory
)

// checkJSON refuses what two readers could understand in two ways: anything
// but one JSON object (or array, for a docker archive's manifest.json) in
// UTF-8, and objects that hold a key twice. Keys that differ only in case count
// as the same one, since Go reads them so, except inside maps of free keys such
// as annotations and labels.
func checkJSON(doc []byte) error {
	if !utf8.Valid(doc) {
		return errors.New("not valid UTF-8")
	}
	c := jsonChecker{dec: json.NewDecoder(bytes.NewReader(doc))}
	c.dec.UseNumber()
	if err := c.value(); err != nil {
		return err
	}
	if _, err := c.dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// jsonChecker walks the tokens of one document.
type jsonChecker struct {
	dec   *json.Decoder
	stack []jsonFrame
}

// jsonFrame is one open object or array.
type jsonFrame struct {
	keys  map[string]bool // nil for an array
	exact bool            // keys are free: compare them as they are
	key   string          // the key whose value comes next; empty if a key comes next
}

// value checks one whole value, iteratively so that depth costs no stack.
func (c *jsonChecker) value() error {
	for values := 0; ; values++ {
		tok, err := c.dec.Token()
		if err != nil {
			return jsonSyntax(err)
		}
		if values >= maxJSONValues {
			return fmt.Errorf("more than %d keys, values and brackets", maxJSONValues)
		}
		if err := c.token(tok); err != nil {
			return err
		}
		if len(c.stack) == 0 {
			return nil
		}
	}
}

func jsonSyntax(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the JSON text ends early")
	}
	return err
}

func (c *jsonChecker) token(tok json.Token) error {
	delim, isDelim := tok.(json.Delim)
	switch {
	case isDelim && (delim == '}' || delim == ']'):
		c.stack = c.stack[:len(c.stack)-1]
		c.valueDone()
		return nil
	case c.wantsKey():
		return c.key(tok)
	case isDelim:
		return c.open(delim)
	case len(c.stack) == 0:
		return errors.New("not a JSON object")
	default:
		c.valueDone()
		return nil
	}
}

func (c *jsonChecker) open(delim json.Delim) error {
	if len(c.stack) >= maxJSONDepth {
		return fmt.Errorf("nested deeper than %d levels", maxJSONDepth)
	}
	frame := jsonFrame{}
	if delim == '{' {
		frame.keys = map[string]bool{}
		frame.exact = len(c.stack) > 0 && freeKeys(c.stack[len(c.stack)-1].key)
	}
	c.stack = append(c.stack, frame)
	return nil
}

func (c *jsonChecker) wantsKey() bool {
	if len(c.stack) == 0 {
		return false
	}
	top := c.stack[len(c.stack)-1]
	return top.keys != nil && top.key == ""
}

func (c *jsonChecker) key(tok json.Token) error {
	key, ok := tok.(string)
	if !ok {
		return errors.New("object key is not a string")
	}
	top := &c.stack[len(c.stack)-1]
	folded := key
	if !top.exact {
		folded = strings.ToLower(key)
	}
	if top.keys[folded] {
		return fmt.Errorf("key %q is there twice", key)
	}
	top.keys[folded] = true
	top.key = "=" + key // never empty
	return nil
}

func (c *jsonChecker) valueDone() {
	if n := len(c.stack); n > 0 {
		c.stack[n-1].key = ""
	}
}

// freeKeys reports whether the object under key (as stored in a frame) is a map
// whose keys mean nothing to a program.
func freeKeys(key string) bool {
	switch key {
	case "=annotations", "=Labels", "=Volumes", "=ExposedPorts":
		return true
	default:
		return false
	}
}
