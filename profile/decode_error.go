package profile

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// fieldError is an error at a field, whose name grows on the way out.
type fieldError struct {
	field string
	err   error
}

func (e *fieldError) Error() string { return e.field + ": " + e.err.Error() }

func (e *fieldError) Unwrap() error { return e.err }

// at says that err belongs to a field, or to an element, "[0]".
func at(field string, err error) error {
	var inner *fieldError
	if !errors.As(err, &inner) {
		return &fieldError{field, err}
	}
	if !strings.HasPrefix(inner.field, "[") {
		field += "."
	}
	inner.field = field + inner.field
	return inner
}

// syntaxError is an error at a line of the JSON text.
type syntaxError struct {
	line int
	err  error
}

func (e *syntaxError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }

func (e *syntaxError) Unwrap() error { return e.err }

func positioned(err error, data []byte, offset int64) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err, offset = errors.New("the document ends early"), int64(len(data))
	case errors.As(err, &syntax):
		err, offset = syntax.Err, syntax.ByteOffset
	}
	return &syntaxError{lineOf(data, offset), err}
}

func unexpected(want string, t token) error {
	var found string
	switch t.kind {
	case '"':
		found = strconv.Quote(shorten(t.text))
	case '0':
		found = shorten(t.text)
	case '{':
		found = "an object"
	case '[':
		found = "a list"
	default:
		found = t.kind.String()
	}
	return fmt.Errorf("%s is not %s", found, want)
}

// printable is a name from the input as an error may show it.
func printable(s string) string {
	quoted := strconv.Quote(shorten(s))
	if inner := quoted[1 : len(quoted)-1]; inner == s && s != "" {
		return s
	}
	return quoted
}

// shorten cuts what an error quotes.
func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
