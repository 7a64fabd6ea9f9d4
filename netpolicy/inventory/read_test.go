package inventory

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func list(items ...string) string {
	return `{"kind":"List","items":[` + strings.Join(items, ",") + `]}`
}

func read(t testing.TB, text string) *Cluster {
	t.Helper()
	c := New()
	if err := c.Read(strings.NewReader(text), Limits{}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ in, want string }{
		"empty":            {"", "not what kubectl"},
		"array":            {"[]", "not what kubectl"},
		"no items":         {`{"kind":"Pod"}`, "no field \"items\""},
		"items twice":      {`{"items":[],"items":[]}`, "twice"},
		"trailing":         {list() + "{}", "behind the list"},
		"cut":              {list(`{"kind":"Pod"`)[:30], "EOF"},
		"no list":          {`{"items":5}`, "is missing"},
		"label":            {list(`{"kind":"Pod","metadata":{"name":"a","labels":{"app":"x\n---\n"}}}`), `items[0]: "Pod" "/a": value "x\n---\n"`},
		"selector":         {list(`{"kind":"Service","metadata":{"name":"a"},"spec":{"selector":{"a b":"c"}}}`), "selector: label key"},
		"address":          {list(`{"kind":"Pod","status":{"podIP":"10.0.0.256"}}`), "is not an address"},
		"zone":             {list(`{"kind":"Pod","status":{"podIP":"fe80::1%eth0"}}`), "is not an address"},
		"port":             {list(`{"kind":"Service","spec":{"ports":[{"port":65536}]}}`), "port 65536"},
		"negative port":    {list(`{"kind":"Pod","spec":{"containers":[{"ports":[{"containerPort":-1}]}]}}`), "port -1"},
		"protocol":         {list(`{"kind":"Service","spec":{"ports":[{"port":1,"protocol":"tcp"}]}}`), `protocol "tcp"`},
		"target port":      {list(`{"kind":"Service","spec":{"ports":[{"port":1,"targetPort":"Not A Port"}]}}`), "targetPort"},
		"namespace":        {list(`{"kind":"Pod","metadata":{"namespace":"a/b"}}`), "no namespace"},
		"list in a list":   {list(`{"kind":"List"}`), "a list in a list"},
		"type":             {list(`{"kind":"Pod","spec":{"hostNetwork":"yes"}}`), "cannot unmarshal"},
		"name of a string": {list(`{"kind":5}`), "items[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := New().Read(strings.NewReader(tt.in), Limits{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tt.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	large := list(`{"kind":"Other","metadata":{"name":"` + strings.Repeat("x", 100_000) + `"}}`)
	for name, tt := range map[string]struct {
		in     string
		limits Limits
		want   string
	}{
		"bytes":  {large, Limits{Bytes: 50_000}, "larger than the limit"},
		"object": {large, Limits{ItemBytes: 50_000}, "an object is larger"},
		"items":  {list("{}", "{}", "{}"), Limits{Items: 2}, "more than 2 objects"},
	} {
		if err := New().Read(strings.NewReader(tt.in), tt.limits); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := New().Read(strings.NewReader(large), Limits{}); err != nil {
		t.Error(err)
	}
}

// Times tell who had an address while it was seen.
func TestTimes(t *testing.T) {
	t.Parallel()
	c := read(t, list(
		`{"kind":"Pod","metadata":{"namespace":"a","name":"old","labels":{"app":"old"}},"status":{"podIP":"10.0.0.1","startTime":"2026-01-01T00:00:00Z"}}`,
		`{"kind":"Pod","metadata":{"namespace":"a","name":"new","labels":{"app":"new"}},"status":{"podIP":"10.0.0.1","startTime":"2026-01-03T00:00:00Z"}}`,
		`{"kind":"Pod","metadata":{"namespace":"a","name":"bare"},"status":{"podIP":"10.0.0.2"}}`,
	))
	q := Query{Addr: netip.MustParseAddr("10.0.0.1"), Protocol: "TCP", Port: 80, First: "2026-01-02T00:00:00Z", Last: "2026-01-02T01:00:00Z"}
	found := c.Find(q)
	if len(found.Targets) != 1 || found.Targets[0].Labels["app"] != "old" {
		t.Errorf("before the second started: %+v", found)
	}
	q.Last = "2026-01-04T00:00:00Z"
	if found = c.Find(q); found.Problem != "ambiguous: pod a/new and pod a/old had the address" {
		t.Errorf("while both may have had it: %+v", found)
	}
	q = Query{Addr: netip.MustParseAddr("10.0.0.2"), Protocol: "TCP", Port: 80}
	if found = c.Find(q); found.Problem != "pod a/bare has no labels that select it" {
		t.Errorf("no labels: %+v", found)
	}
}

// An owner's selector goes before labels.
func TestOwner(t *testing.T) {
	t.Parallel()
	c := read(t, list(
		`{"kind":"Deployment","metadata":{"namespace":"a","name":"web"},"spec":{"selector":{"matchLabels":{"run":"web"}}}}`,
		`{"kind":"Pod","metadata":{"namespace":"a","name":"web-5f-x","labels":{"run":"web","pod-template-hash":"5f","extra":"1"},"ownerReferences":[{"kind":"ReplicaSet","name":"web-5f","controller":true}]},"status":{"podIP":"10.0.0.1"}}`,
	))
	found := c.Find(Query{Addr: netip.MustParseAddr("10.0.0.1"), Protocol: "TCP", Port: 80})
	if diff := cmp.Diff(map[string]string{"run": "web"}, found.Targets[0].Labels); diff != "" || found.Targets[0].Via != "deployment a/web" {
		t.Errorf("%s\n%s", found.Targets[0].Via, diff)
	}
}

func TestMapping(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: lathe.dev/v1alpha1\nkind: Peers\npeers:\n"
	for name, tt := range map[string]struct{ in, want string }{
		"version":      {"apiVersion: v2\nkind: Peers\n", "apiVersion"},
		"unknown":      {head + "- {match: [10.0.0.1], action: omit, allow: true}\n", "unknown field"},
		"action":       {head + "- {match: [10.0.0.1], action: allow}\n", `action "allow"`},
		"nothing":      {head + "- {action: omit}\n", "matches nothing"},
		"every pod":    {head + "- {match: [10.0.0.1], action: pods, namespace: a}\n", "needed there"},
		"label":        {head + "- {match: [10.0.0.1], action: pods, namespace: a, podSelector: {app: \"x\\n---\"}}\n", `"x\n---"`},
		"bits":         {head + "- {match: [10.0.0.1/8], action: omit}\n", "beyond its length"},
		"cidr":         {head + "- {match: [10.0.0.1], action: addresses, cidrs: [10.0.0.1/8]}\n", "one spelling"},
		"target":       {head + "- {match: [10.0.0.1], action: pods, namespace: a, podSelector: {a: b}, targetPorts: {\"80\": 0}}\n", "port 0"},
		"two meanings": {head + "- {name: x, match: [10.0.0.0/24], action: omit}\n- {name: y, match: [10.0.0.0/24], action: nodes}\n", `10.0.0.0/24 is mapped by "x" to something else`},
		"two names":    {head + "- {name: x, match: [a.example], action: omit}\n- {name: y, match: [A.example.], action: external}\n", `"a.example" is mapped by "x"`},
	} {
		_, err := ReadMapping(strings.NewReader(tt.in))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %q", name, err, tt.want)
		}
	}
	m, err := ReadMapping(strings.NewReader(head + "- {name: wide, match: [10.0.0.0/8], action: omit}\n- {name: narrow, match: [10.1.0.0/16], action: nodes}\n- {name: db, match: [db.example], action: external}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{"10.2.0.1": "wide", "10.1.0.1": "narrow", "11.0.0.1": ""} {
		if e, _ := m.Find(netip.MustParseAddr(addr), nil); e.Name != want {
			t.Errorf("%s is %q, want %q", addr, e.Name, want)
		}
	}
	if e, _ := m.Find(netip.MustParseAddr("10.1.0.1"), []string{"db.example"}); e.Name != "db" {
		t.Errorf("a name is not before addresses: %q", e.Name)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(list(`{"kind":"Pod","metadata":{"namespace":"a","name":"b","labels":{"app":"x"}},"status":{"podIP":"10.0.0.1"}}`))
	f.Add(list(`{"kind":"Service","metadata":{"namespace":"a","name":"b"},"spec":{"clusterIP":"10.0.0.1","selector":{"app":"x"},"ports":[{"port":1,"targetPort":"http"}]}}`))
	f.Add(list(`{"kind":"EndpointSlice","metadata":{"namespace":"a","labels":{"kubernetes.io/service-name":"b"}},"endpoints":[{"addresses":["10.0.0.1"]}],"ports":[{"port":1}]}`))
	f.Fuzz(func(t *testing.T, text string) {
		c := New()
		if c.Read(strings.NewReader(text), Limits{}) != nil {
			return
		}
		for _, source := range []bool{false, true} {
			found := c.Find(Query{Addr: netip.MustParseAddr("10.0.0.1"), Protocol: "TCP", Port: 1, Names: []string{"b.a.svc.cluster.local"}, Source: source})
			for _, target := range found.Targets {
				if (target.Kind == Pods) != (len(target.Labels) > 0) || len(target.Ports) == 0 {
					t.Errorf("%+v", target)
				}
			}
		}
	})
}

func FuzzReadMapping(f *testing.F) {
	f.Add("apiVersion: lathe.dev/v1alpha1\nkind: Peers\npeers:\n- {match: [10.0.0.0/8, a.example], action: omit}\n")
	f.Add("apiVersion: lathe.dev/v1alpha1\nkind: Peers\npeers:\n- {match: [10.0.0.1], action: pods, namespace: a, podSelector: {a: b}, targetPorts: {\"80\": 8080}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ReadMapping(strings.NewReader(text))
		if err != nil {
			return
		}
		if e, ok := m.Find(netip.MustParseAddr("10.0.0.1"), []string{"a.example"}); ok && e.Action == ActionPods && len(e.PodSelector) == 0 {
			t.Errorf("an empty selector: %+v", e)
		}
	})
}
