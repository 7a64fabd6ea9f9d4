package report

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/lathe-build/lathe/harden"
)

// ErrNoPath says that there is nothing to explain.
var ErrNoPath = errors.New("the image has no such path")

// Explain writes a chain of decisions, as [harden.Plan.Explain] gives it, for
// people: each path with the reason that leads to the next. It gives ErrNoPath
// when the chain is empty.
func Explain(w io.Writer, chain []harden.Decision) error {
	if len(chain) == 0 {
		return ErrNoPath
	}
	var b strings.Builder
	for i, s := range steps(chain) {
		word := "keep"
		if !s.Keep {
			word = "drop"
		}
		fmt.Fprintf(&b, "%s  %s\n      because %s\n", word, escape(s.raw()), escape(s.Because))
		if i == maxSteps {
			fmt.Fprintf(&b, "      and so on: %d more\n", len(chain)-i-1)
			break
		}
	}
	return write(w, b.String())
}

// maxSteps bounds a chain on a terminal; real ones have fewer than ten.
const maxSteps = 1000

// Explanation is a chain of reasons for programs.
type Explanation struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"` // Explanation
	Location
	Keep  bool   `json:"keep"`
	Steps []Step `json:"because"`
}

// ExplainJSON is what [Explain] says, as JSON.
func ExplainJSON(chain []harden.Decision) ([]byte, error) {
	if len(chain) == 0 {
		return nil, ErrNoPath
	}
	return encode(Explanation{
		APIVersion: APIVersion, Kind: "Explanation",
		Location: locate(chain[0].Path), Keep: chain[0].Keep, Steps: steps(chain),
	})
}

func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
