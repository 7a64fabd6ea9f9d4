package tracee

import (
	"testing"

	"github.com/lathe-build/lathe/internal/importtest"
)

func TestReader(t *testing.T) {
	t.Parallel()
	importtest.Reader[event](new(reader).read).Members(t, "testdata/web.jsonl")
}

func FuzzReader(f *testing.F) {
	importtest.Reader[event](new(reader).read).Fuzz(f, "testdata/web.jsonl")
}
