package oddimage_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/internal/oddimage"
)

// TestPromises wants docs/promises.md to name images of the tables only, and all
// of them but those that differ in a detail from one that it names.
func TestPromises(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/promises.md")
	if err != nil {
		t.Fatal(err)
	}
	_, images, ok := strings.Cut(string(raw), "\n## Images that come out right\n")
	if !ok {
		t.Fatal("there is no section about images")
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(images, -1) {
		named[m[1]] = true
	}
	known := map[string]bool{}
	cases, err := oddimage.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		known[c.Name] = true
	}
	refused, err := oddimage.Refused()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range refused {
		known[c.Name] = true
	}
	for name := range named {
		if !known[name] {
			t.Errorf("docs/promises.md names %q, which is in no table", name)
		}
	}
	for name := range known {
		stem, _, _ := strings.Cut(strings.TrimSuffix(name, " whose content moves"), ", nothing to drop")
		if !named[name] && !named[stem] && !strings.HasPrefix(name, "global header that sets ") {
			t.Errorf("docs/promises.md does not name %q", name)
		}
	}
}
