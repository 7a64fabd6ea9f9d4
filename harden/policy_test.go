package harden_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/lathe-build/lathe/harden"
)

const policyHead = "apiVersion: lathe.dev/v1alpha1\nkind: HardeningPolicy\n"

const wholePolicy = policyHead + `metadata: {name: web}
level: binaries
rebase: true
plugins: dropUnloaded
sbom: drop
keepAttached: false
keep:
- path: /usr/bin/c*
  reason: the nightly job
- {package: tzdata*, layer: 0}
- scriptCommands: /docker-entrypoint.sh
drop:
- {class: package manager, history: "RUN apt-get"}
deny:
- class: shell
answers:
- path: /bin/sh
  take: keep
  reason: the entrypoint is a script
trust:
- source: kubescape
  observes: [open, exec]
`

func TestReadPolicy(t *testing.T) {
	t.Parallel()
	got, err := harden.ReadPolicy(strings.NewReader(wholePolicy), "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := &harden.Policy{
		Level: harden.Binaries, Rebase: true, Plugins: harden.DropUnloaded, SBOM: harden.DropSBOM,
		Rules: []harden.Rule{
			{Do: harden.DoKeep, Path: "/usr/bin/c*", Reason: "the nightly job", From: "policy.yaml:10"},
			{Do: harden.DoKeep, Package: "tzdata*", Layer: "0", From: "policy.yaml:12"},
			{Do: harden.DoKeep, ScriptCommands: "/docker-entrypoint.sh", From: "policy.yaml:13"},
			{Do: harden.DoDrop, Class: "package manager", History: "RUN apt-get", From: "policy.yaml:15"},
			{Do: harden.DoDeny, Class: "shell", From: "policy.yaml:17"},
		},
		Answers: []harden.Answer{{Path: "/bin/sh", Keep: true, Reason: "the entrypoint is a script", From: "policy.yaml:19"}},
		Trust:   []harden.Trust{{Source: "kubescape", Observes: []string{"open", "exec"}, From: "policy.yaml:23"}},
		File:    got.File,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
	asJSON, err := yaml.YAMLToJSON([]byte(wholePolicy))
	if err != nil {
		t.Fatal(err)
	}
	var spread bytes.Buffer
	if err := json.Indent(&spread, asJSON, "", "\t"); err != nil {
		t.Fatal(err)
	}
	back, err := harden.ReadPolicy(&spread, "policy.json")
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range back.Rules {
		if !strings.HasPrefix(r.From, "policy.json:") {
			t.Errorf("rule %d is at %q", i, r.From)
		}
		r.From = ""
		if !slices.ContainsFunc(want.Rules, func(w harden.Rule) bool { w.From = ""; return w == r }) {
			t.Errorf("the policy in JSON has the rule %+v", r)
		}
	}
}

func TestReadPolicyErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "p: the policy is empty"},
		{"no policy", "kind: Pod\nspec: {}\n", `p:1: apiVersion is "" and kind is "Pod"`},
		{"another kind", "apiVersion: v1\nkind: HardeningPolicy\n", `p:1: apiVersion is "v1"`},
		{"no YAML", "a: b: c", "p: it is neither YAML nor JSON"},
		{"unknown field", policyHead + "levels: packages\n", `p:3: no such field: "levels"`},
		{"unknown field of a rule", policyHead + "keep:\n- path: /a\n  why: x\n", `p:5: keep[0]: no such field: "why"`},
		{"twice", policyHead + "level: packages\nlevel: packages\n", "p:4: level: it is given twice"},
		{"unknown level", policyHead + "level: all\n", `p:3: level: unknown level "all"`},
		{"unknown class", policyHead + "deny:\n- class: shells\n", `p:4: deny[0].class: it is "shells", not shell, `},
		{"unknown word", policyHead + "plugins: drop\n", `p:3: plugins: it is "drop", not keep, dropUnloaded`},
		{"wrong type", policyHead + "keep: /a\n", `p:3: keep: it is "/a", not a list`},
		{"number for text", policyHead + "keep:\n- package: 7\n", "p:4: keep[0].package: it is \"7\" without its quotes, not a text"},
		{"text for boolean", policyHead + "rebase: yes please\n", "p:3: rebase: it is"},
		{"bad glob", policyHead + "drop:\n- path: '/a/['\n", "p:4: drop[0].path: "},
		{"many stars", policyHead + "drop:\n- path: '" + strings.Repeat("*", 17) + "'\n", "more than 16 stars"},
		{"whole image", policyHead + "drop:\n- path: /\n", "means the whole image"},
		{"about nothing", policyHead + "drop:\n- reason: x\n", "p:4: the drop rule says of nothing what it is about"},
		{"deny a path", policyHead + "deny:\n- path: /bin/sh\n", `p:4: deny[0]: no such field: "path"`},
		{"commands and more", policyHead + "keep:\n- {scriptCommands: /a, path: /b}\n", "p:4: scriptCommands is a keep rule of its own"},
		{"bad layer", policyHead + "keep:\n- layer: -1\n", `p:4: keep[0].layer: the layer "-1"`},
		{"layer that is a word", policyHead + "keep:\n- layer: top\n", `p:4: keep[0].layer: it is "top"`},
		{"no reason", policyHead + "answers:\n- {path: /a, take: keep}\n", "p:4: answers[0]: reason is missing"},
		{"blank reason", policyHead + "answers:\n- {path: /a, take: keep, reason: ' '}\n", `p:4: the answer about "/a" gives no reason`},
		{"answered twice", policyHead + "answers:\n- {path: /a, take: keep, reason: x}\n- {path: a, take: drop, reason: x}\n", `p:5: "a" is answered twice`},
		{"a glob answered", policyHead + "answers:\n- {path: '/a*', take: keep, reason: x}\n", "p:4: an answer is about one path"},
		{"unknown flag", policyHead + "trust:\n- {source: x, observes: [all]}\n", `p:4: trust[0]: the source "x" cannot be trusted with "all"`},
		{"two documents", policyHead + "---\n" + policyHead, "p: something follows the document"},
		{"alias", policyHead + "keep:\n- &a {path: /a}\n- *a\n", "p:5: keep[1]: it is an alias"},
		{"merge key", policyHead + "keep:\n- <<: {path: /a}\n", "p:4: keep[0]: no such field"},
		{"tag", policyHead + "level: !!binary packages\n", "p:3: level: it is"},
		{"control character", policyHead + "keep:\n- path: \"/a\\n\"\n", "p:4: keep[0].path: it has a control character"},
		{"long text", policyHead + "keep:\n- path: /" + strings.Repeat("a", harden.MaxPolicyText) + "\n", "it is over 4096 bytes"},
		{"many rules", policyHead + "keep:\n" + strings.Repeat("- path: /a\n", harden.MaxRules+1), "p:4: keep: more than 1000 rules"},
		{"JSON", "{\"apiVersion\":\"lathe.dev/v1alpha1\",\n\"kind\":\"HardeningPolicy\",\n\"level\":7}", `p:3: level: it is "7" without its quotes`},
		{"deep JSON", strings.Repeat("[", 200) + strings.Repeat("]", 200), "p: line 1: more than 100 levels deep"},
		{"large", strings.Repeat("#", harden.MaxPolicyBytes+1), "p: the policy is over 1048576 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := harden.ReadPolicy(strings.NewReader(tc.text), "p"); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func policySchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	raw, err := os.ReadFile("../docs/policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policy.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPolicySchema takes policies apart and spoils them at random: the schema
// and the reader accept the same ones.
func TestPolicySchema(t *testing.T) {
	t.Parallel()
	schema := policySchema(t)
	whole, err := yaml.YAMLToJSON([]byte(wholePolicy))
	if err != nil {
		t.Fatal(err)
	}
	values := []any{
		nil, true, 3, -1, 1.5, "", "x", "/a", "keep", "drop", "shell", "exec", "packages", " ", "sha256:" + strings.Repeat("0", 64),
		[]any{},
		[]any{"exec"},
		map[string]any{},
		map[string]any{"class": "shell"},
		[]any{map[string]any{"path": "/a", "scriptCommands": "/b"}},
	}
	names := []string{"path", "package", "class", "layer", "history", "scriptCommands", "reason", "take", "source", "observes", "level", "keep", "deny", "x"}
	accepted := 0
	for seed := range uint64(4000) {
		rng := rand.New(rand.NewPCG(seed, 9))
		var doc any
		if err := json.Unmarshal(whole, &doc); err != nil {
			t.Fatal(err)
		}
		for range rng.IntN(4) {
			spoil(rng, doc, names, values)
		}
		raw, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		bySchema := schema.Validate(plain)
		_, byReader := harden.ReadPolicy(bytes.NewReader(raw), "p")
		if (bySchema == nil) != (byReader == nil) {
			t.Fatalf("seed %d: %s\nschema: %v\nreader: %v", seed, raw, bySchema, byReader)
		}
		if byReader == nil {
			accepted++
		}
	}
	if accepted < 1000 || accepted > 3500 {
		t.Errorf("%d of 4000 policies were accepted: the test tries too little", accepted)
	}
}

// spoil changes one field somewhere in a document.
func spoil(rng *rand.Rand, doc any, names []string, values []any) {
	at := doc
	for {
		switch v := at.(type) {
		case map[string]any:
			keys := make([]string, 0, len(v))
			for k := range v {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			if len(keys) > 0 && rng.IntN(3) > 0 {
				k := keys[rng.IntN(len(keys))]
				if _, inner := v[k].(string); !inner && rng.IntN(4) > 0 {
					at = v[k]
					continue
				}
				if rng.IntN(2) == 0 {
					delete(v, k)
				} else {
					v[k] = values[rng.IntN(len(values))]
				}
				return
			}
			v[names[rng.IntN(len(names))]] = values[rng.IntN(len(values))]
			return
		case []any:
			if len(v) == 0 {
				return
			}
			at = v[rng.IntN(len(v))]
		default:
			return
		}
	}
}

func FuzzReadPolicy(f *testing.F) {
	f.Add([]byte(wholePolicy))
	f.Add([]byte(`{"apiVersion":"lathe.dev/v1alpha1","kind":"HardeningPolicy","keep":[{"layer":0,"reason":"\ud83d\ude00"}]}`))
	f.Add([]byte(policyHead + "keep: [{path: /a, <<: *x}]\n"))
	f.Add([]byte(policyHead + "drop:\n- ? {a: b}\n  : c\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := harden.ReadPolicy(bytes.NewReader(raw), "p")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "p:") {
				t.Errorf("the error does not name the policy: %v", err)
			}
			return
		}
		if err := p.Validate(); err != nil {
			t.Errorf("it was read and is not valid: %v", err)
		}
		for _, r := range p.Rules {
			var line int
			if _, err := fmt.Sscanf(r.From, "p:%d", &line); err != nil || line < 1 || line > bytes.Count(raw, []byte("\n"))+1+bytes.Count(raw, []byte("\r")) {
				t.Errorf("the rule %+v is on no line", r)
			}
		}
	})
}
