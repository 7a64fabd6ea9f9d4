package harden_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/lathe-build/lathe/harden"
)

// TestPolicyDocs reads the policies of docs/policy.md, plans with them, and
// finds every field and class of the schema explained there or in the catalogue.
func TestPolicyDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 2 {
		t.Fatalf("docs/policy.md has %d examples", len(blocks))
	}
	schema := policySchema(t)
	for _, b := range blocks {
		p, err := harden.ReadPolicy(strings.NewReader(b[1]), "policy.yaml")
		if err != nil {
			t.Errorf("%v in:\n%s", err, b[1])
			continue
		}
		raw, err := yaml.YAMLToJSON([]byte(b[1]))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%v in:\n%s", err, b[1])
		}
		newPlan(t, tree(t, debianText(), server), ran(), *p)
	}
	raw, err := os.ReadFile("../docs/policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range regexp.MustCompile(`"(\w+)": \{`).FindAllStringSubmatch(string(raw), -1) {
		switch field[1] {
		case "properties", "not", "text", "glob", "answer", "items":
			continue
		}
		if !strings.Contains(string(page), field[1]) {
			t.Errorf("docs/policy.md says nothing of %s", field[1])
		}
	}
}
