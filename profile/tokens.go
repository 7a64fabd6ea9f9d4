package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// token is one token of JSON: a string, a number as written, or a mark, by its
// first byte as in [jsontext.Kind].
type token struct {
	kind jsontext.Kind
	text string
}

// tokens reads JSON, token by token. Equal short strings are one string.
type tokens struct {
	in       *jsontext.Decoder
	interned *[maxInterned]string // nil for small documents
}

func newTokens(data []byte) *tokens {
	// What these allow is checked elsewhere: the encoding of the whole text
	// before, and names that are given twice by who knows the struct.
	in := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	t := &tokens{in: in}
	if len(data) > minInterned {
		t.interned = new([maxInterned]string)
	}
	return t
}

// next is the next token.
func (t *tokens) next() (token, error) {
	kind := t.in.PeekKind()
	if kind != '"' && kind != '0' {
		read, err := t.in.ReadToken()
		if err != nil {
			return token{}, err
		}
		return token{kind: read.Kind()}, nil
	}
	raw, err := t.in.ReadValue()
	if err != nil {
		return token{}, err
	}
	if kind == '0' {
		return token{kind, string(raw)}, nil
	}
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return token{kind, t.intern(inner)}, nil
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return token{}, err
	}
	return token{kind, t.intern(text)}, nil
}

// more reports whether the list or object at hand has another member.
func (t *tokens) more() bool {
	kind := t.in.PeekKind()
	return kind != ']' && kind != '}' && kind != 0
}

// ended reports whether there is nothing but space after the document.
func (t *tokens) ended() bool {
	_, err := t.in.ReadToken()
	return errors.Is(err, io.EOF)
}

// offset is where the last token ended.
func (t *tokens) offset() int64 { return t.in.InputOffset() }

// intern makes equal short strings one string, as far as they are remembered.
func (t *tokens) intern(s []byte) string {
	if len(s) == 0 || len(s) > 64 || t.interned == nil {
		return string(s)
	}
	hash := uint32(len(s))
	for _, c := range s {
		hash = (hash ^ uint32(c)) * 0x01000193
	}
	known := &t.interned[(hash^hash>>16)%maxInterned]
	if *known != string(s) {
		*known = string(s)
	}
	return *known
}

// skip reads a value of any shape.
func (t *tokens) skip() error {
	for depth := 0; ; {
		read, err := t.next()
		if err != nil {
			return err
		}
		switch read.kind {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		default:
		}
		if depth > maxSkipDepth {
			return fmt.Errorf("more than %d levels deep", maxSkipDepth)
		}
		if depth == 0 {
			return nil
		}
	}
}
