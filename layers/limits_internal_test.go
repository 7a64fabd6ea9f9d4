package layers

import (
	"os"
	"strings"
	"testing"
)

// TestLimitsPage compares docs/limits.md with the limits that have no flag.
func TestLimitsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	for row, holds := range map[string]bool{
		"headers of one entry (PAX records, long names) | 5 MiB":                      maxHeaders == 5<<20,
		"records of global PAX headers in force at a time | 256":                      maxGlobal == 256,
		"bytes of a path, or of a link's target | 4,096":                              maxPath == 4096,
		"bytes of a component | 255":                                                  maxName == 255,
		"links that one path leads through | 40":                                      maxLinks == 40,
		"components that one path leads through, those of its links included | 2,048": maxSteps == 2048,
	} {
		if !holds || !strings.Contains(string(page), "\n| "+row+" |\n") {
			t.Errorf("docs/limits.md has no row %q that is true", row)
		}
	}
}
