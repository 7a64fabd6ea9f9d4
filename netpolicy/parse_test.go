package netpolicy

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestParseHintRefuses(t *testing.T) {
	t.Parallel()
	data, err := richHint(t).JSON()
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	sub := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the hint does not hold %q", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	tests := map[string]struct{ in, want string }{
		"empty":            {"", "EOF"},
		"null":             {"null", "schema"},
		"number":           {"5", "cannot unmarshal"},
		"trailing":         {good + "{}", "data behind"},
		"cut":              {good[:len(good)/2], "EOF"},
		"unknown field":    {sub(`"schema"`, `"x": 1, "schema"`), `unknown field "x"`},
		"misplaced field":  {sub(`"schema"`, `"cidrs": [], "schema"`), `unknown field`},
		"other case":       {sub(`"schema"`, `"Schema"`), `unknown field "Schema"`},
		"twice":            {sub(`"schema"`, `"schema": "lathe.dev/hint/v1", "schema"`), "there twice"},
		"schema":           {sub(`hint/v1`, `hint/v2`), "schema"},
		"deep":             {strings.Repeat("[", 100) + strings.Repeat("]", 100), "nested deeper"},
		"digest":           {sub(`"sha256:aa`, `"sha256:ZZ`), "hex digits"},
		"wider block":      {sub(`"10.0.0.5/32"`, `"10.0.0.0/8"`), "id"},
		"bits":             {sub(`"10.0.0.5/32"`, `"10.0.0.5/24"`), "id"},
		"other port":       {sub(`"port": 5432`, `"port": 5433`), "id"},
		"direction":        {sub(`"direction": "ingress"`, `"direction": "egress"`), "id"},
		"no policy type":   {sub("\"ingress\",\n    \"egress\"", `"egress"`), "not in policyTypes"},
		"same type twice":  {sub("\"ingress\",\n    \"egress\"", `"egress", "egress"`), "repeated"},
		"selector":         {sub(`"tier": "front"`, `"tier": "a b"`), "a b"},
		"selector twice":   {sub(`"tier": "front"`, `"app": "front"`), "there twice"},
		"name":             {sub(`"name": "web"`, `"name": "Web"`), "metadata.name"},
		"namespace":        {sub(`"namespace": "shop"`, `"namespace": "a.b"`), "metadata.namespace"},
		"omission":         {sub(`"tightened": [`, `"tightened": [{"direction":"x","peer":{"kind":"any"},"ports":[],"executables":[],"reason":""},`), "unknown direction"},
		"port of a string": {sub(`"port": 5432`, `"port": "5432"`), "cannot unmarshal"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := ParseHint([]byte(tt.in))
			if err == nil || h != nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), "reading hint: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want something with %q", err, tt.want)
			}
		})
	}
}

// A rule whose id fits but that nothing may be rendered from is refused too.
func TestParseHintChecksRules(t *testing.T) {
	t.Parallel()
	port := []Port{{Protocol: protoTCP, Port: 80}}
	tests := map[string]Rule{
		"any with a block":      {Direction: Ingress, Peer: Peer{Kind: PeerAny, CIDRs: []string{"10.0.0.0/8"}}, Ports: port},
		"any of egress":         {Direction: Egress, Peer: Peer{Kind: PeerAny}, Ports: port},
		"no block":              {Direction: Egress, Peer: Peer{Kind: PeerExternal}, Ports: port},
		"block with labels":     {Direction: Egress, Peer: Peer{Kind: PeerPrivate, CIDRs: []string{"10.0.0.1/32"}, PodSelector: webSelector}, Ports: port},
		"every pod":             {Direction: Egress, Peer: Peer{Kind: PeerClusterDNS, Namespace: "kube-system"}, Ports: port},
		"no namespace":          {Direction: Egress, Peer: Peer{Kind: PeerClusterDNS, PodSelector: webSelector}, Ports: port},
		"names":                 {Direction: Egress, Peer: Peer{Kind: PeerNames, Names: []string{"a"}}, Ports: port},
		"unknown kind":          {Direction: Egress, Peer: Peer{Kind: "podz"}, Ports: port},
		"no port":               {Direction: Ingress, Peer: Peer{Kind: PeerAny}},
		"port 0":                {Direction: Ingress, Peer: Peer{Kind: PeerAny}, Ports: []Port{{Protocol: protoTCP}}},
		"lower case":            {Direction: Ingress, Peer: Peer{Kind: PeerAny}, Ports: []Port{{Protocol: "tcp", Port: 80}}},
		"range backwards":       {Direction: Ingress, Peer: Peer{Kind: PeerAny}, Ports: []Port{{Protocol: protoTCP, Port: 80, EndPort: 79}}},
		"mapped address":        {Direction: Egress, Peer: Peer{Kind: PeerPrivate, CIDRs: []string{"::ffff:10.0.0.5/128"}}, Ports: port},
		"zone":                  {Direction: Egress, Peer: Peer{Kind: PeerPrivate, CIDRs: []string{"fe80::1%eth0/128"}}, Ports: port},
		"bits behind":           {Direction: Egress, Peer: Peer{Kind: PeerPrivate, CIDRs: []string{"10.0.0.5/24"}}, Ports: port},
		"another direction":     {Direction: "up", Peer: Peer{Kind: PeerAny}, Ports: port},
		"a label that is wrong": {Direction: Egress, Peer: Peer{Kind: PeerClusterDNS, Namespace: "a b", PodSelector: webSelector}, Ports: port},
	}
	for name, rule := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if rule.Direction != "up" {
				id, err := ruleID(rule)
				if err != nil {
					t.Fatal(err)
				}
				rule.ID = id
			}
			h := Hint{Schema: Schema, Workload: Workload{Name: "web", PodSelector: webSelector}, PolicyTypes: []Direction{Ingress, Egress}, Rules: []Rule{rule}}
			data, err := h.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseHint(data); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// The table of field names is that of the types.
func TestFieldNames(t *testing.T) {
	t.Parallel()
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		if typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			return
		}
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if !isField(name) {
				t.Errorf("field %s.%s is not in the table", typ.Name(), name)
			}
			walk(typ.Field(i).Type)
		}
	}
	walk(reflect.TypeFor[Hint]())
}

func FuzzParseHint(f *testing.F) {
	small, err := json.Marshal(Hint{Schema: Schema, Rules: []Rule{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small)
	h, err := New(richProfile(), fates, Options{Selector: webSelector})
	if err != nil {
		f.Fatal(err)
	}
	rich, err := h.JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(rich)
	f.Add([]byte(`{"schema":"lathe.dev/hint/v1","rules":[{"id":"i-","direction":"ingress","peer":{"kind":"any"},"ports":[{"protocol":"TCP","port":1}],"evidence":{}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseHint(data)
		if err != nil {
			return
		}
		checkRendered(t, h)
	})
}
