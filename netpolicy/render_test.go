package netpolicy

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/profile"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

func TestCase42Labels(t *testing.T) {
	t.Parallel()
	p := connects(tcp("10.0.0.5", 5432, app))
	for _, value := range []string{
		"yes", "no", "on", "off", "true", "False", "NULL", "null", "1", "0", "0x10", "1e3", "1_000", "012", "0o7", "2026-11-21", "12.30", "y", "n", "Y",
		"", "a", "e", "e3", "nan", "inf", "web", "v1.2.3", "a_b", strings.Repeat("x", 63),
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			h := hint(t, p, Options{Selector: map[string]string{"app": value, "example.com/yes": value, "on": value}})
			text, err := h.YAML()
			if err != nil {
				t.Fatal(err)
			}
			var raw struct {
				Spec struct {
					PodSelector struct{ MatchLabels map[string]any }
				}
			}
			if err := yaml.Unmarshal(text, &raw); err != nil {
				t.Fatal(err)
			}
			for key, got := range raw.Spec.PodSelector.MatchLabels {
				if got != any(value) {
					t.Errorf("label %s: %#v of type %T", key, got, got)
				}
			}
			want(t, "labels", len(raw.Spec.PodSelector.MatchLabels), 3)
		})
	}
	for _, value := range []string{strings.Repeat("x", 64), "a b", "-a", "a\nb", "ü"} {
		if _, err := New(p, fates, Options{Selector: map[string]string{"app": value}}); err == nil {
			t.Errorf("label value %q is accepted", value)
		}
	}
}

func TestCase43ObjectNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 254)
	inputs := []string{
		"web", "shop.web", "Web", "web ", "web\n---\n", "WEB", "-web-", "...", "", "ünïcode", long, long + "b", strings.Repeat("a", 253),
		"web/server", "web:server", strings.Repeat("ü", 200), "a_b", "a-b", "a.b-",
	}
	seen := map[string]string{}
	for _, in := range inputs {
		got := objectName(in)
		if msgs := validation.IsDNS1123Subdomain(got); len(msgs) > 0 {
			t.Errorf("objectName(%q) = %q: %s", in, got, msgs[0])
		}
		if other, dup := seen[got]; dup {
			t.Errorf("%q and %q are both %q", in, other, got)
		}
		seen[got] = in
		want(t, "again", objectName(in), got)
	}
	want(t, "valid name", objectName("shop.web"), "shop.web")
	h := hint(t, connects(tcp("10.0.0.5", 1, app)), Options{Name: long})
	want(t, "in the hint", h.Workload.Name, objectName(long))
	one := hint(t, connects(tcp("10.0.0.5", 1, app)), Options{}).Workload.Name
	two := hint(t, connects(tcp("10.0.0.5", 1, app)), Options{Selector: map[string]string{"app": "other"}}).Workload.Name
	if one == two || !strings.HasPrefix(one, "lathe-") {
		t.Errorf("nameless workloads are named %q and %q", one, two)
	}
}

func TestSelectorFromProfile(t *testing.T) {
	t.Parallel()
	with := func(labels ...map[string]string) *profile.Profile {
		p := connects(tcp("10.0.0.5", 1, app))
		p.Sources = nil
		for i, l := range labels {
			s := everything()
			s.ID = fmt.Sprint("s-", i)
			s.Subject.Workload = profile.Workload{Name: "web", Namespace: "shop", Labels: l}
			p.Sources = append(p.Sources, s)
		}
		return p
	}
	tests := []struct {
		name   string
		labels []map[string]string
		want   map[string]string
		warned bool
	}{
		{"one", []map[string]string{{"app": "web"}}, map[string]string{"app": "web"}, false},
		{"unstable ones", []map[string]string{{"app": "web", "pod-template-hash": "1", "batch.kubernetes.io/job-name": "x"}, {"app": "web", "pod-template-hash": "2"}}, map[string]string{"app": "web"}, false},
		{"only unstable ones", []map[string]string{{"job-name": "x"}}, nil, false},
		{"disagreement", []map[string]string{{"app": "web"}, {"app": "web", "tier": "x"}}, nil, true},
		{"none", []map[string]string{nil}, nil, false},
		{"some without", []map[string]string{nil, {"app": "web"}}, map[string]string{"app": "web"}, false},
		{"hostile", []map[string]string{{"app": "web\n---\nkind: Secret"}}, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, err := New(with(tt.labels...), fates, Options{})
			if err != nil {
				t.Fatal(err)
			}
			checkRendered(t, h)
			want(t, "selector", h.Workload.PodSelector, tt.want)
			want(t, "warned", hasCode(h, WarnSelector), tt.warned)
			want(t, "namespace", h.Workload.Namespace, "shop")
			if _, err := h.YAML(); errors.Is(err, ErrNoSelector) != (tt.want == nil) {
				t.Errorf("YAML: %v", err)
			}
			given := hint(t, with(tt.labels...), Options{Selector: map[string]string{"x": "y"}, Namespace: "other"})
			want(t, "given selector", given.Workload, Workload{Namespace: "other", Name: "web", PodSelector: map[string]string{"x": "y"}, SelectorFrom: "option"})
		})
	}
}

func TestParseSelector(t *testing.T) {
	t.Parallel()
	good := map[string]map[string]string{
		"app=web":                      {"app": "web"},
		"app=web,tier=front":           {"app": "web", "tier": "front"},
		" app == web , example.com/a=": {"app": "web", "example.com/a": ""},
	}
	for in, labels := range good {
		got, err := ParseSelector(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
		}
		want(t, in, got, labels)
	}
	for _, in := range []string{
		"", ",", "app", "app=web,", "app!=web", "app in (web)", "=web", "app=web,app=db", "app=" + strings.Repeat("x", 64),
		"a b=c", "app=a=b", "app=we\nb", strings.Repeat("a", 9000), "/=x",
	} {
		if got, err := ParseSelector(in); err == nil {
			t.Errorf("%q is accepted: %v", clip(in, 40), got)
		} else if strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
			t.Errorf("%q: bad message %q", clip(in, 40), err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]Options{
		"namespace":   {Namespace: "Shop"},
		"digest":      {ImageDigest: "sha256:abc"},
		"digest case": {SourceDigest: "sha256:" + strings.Repeat("A", 64)},
		"profile":     {ProfileDigest: strings.Repeat("a", 64)},
		"label":       {Selector: map[string]string{"a b": "c"}},
		"DNS":         {ClusterDNS: 7},
	} {
		if _, err := New(&profile.Profile{}, fates, opts); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestCase47Injection(t *testing.T) {
	t.Parallel()
	evil := []string{
		"\n---\nkind: Secret\n", "\r\n...\r\n%YAML 1.2\r\n---", "${HOME} $(id) `id`", "&a *a !!python/object:x", "# comment\tx: y",
		"\u2028---\u2029\u0085", "\x00\x1b[31m\x07", "\xff\xfe", `"quoted" \ 'single'`, strings.Repeat("A", 1<<20), "}{][,:",
	}
	var net profile.Network
	var sources []profile.Source
	for i, s := range evil {
		ip := fmt.Sprintf("203.0.113.%d", 2*i)
		c := tcp(ip, 443, "/app/"+s)
		c.Peer.Names, c.Via = []string{s}, profile.Via{IP: "10.96.0.1", Port: 443, Service: s}
		dropped := tcp(ip, 80, "/usr/bin/"+s)
		foreign := tcp(ip, 22, "/tmp/"+s)
		nameless := profile.Connect{Proto: "tcp", Port: 1, Peer: profile.Peer{Names: []string{s}, K8s: profile.K8s{Name: s, Kind: s, Namespace: s, Labels: map[string]string{s: s}}}}
		failed := tcp(ip, 23, s)
		failed.Results = []string{s}
		net.Connect = append(net.Connect, c, dropped, foreign, nameless, failed, profile.Connect{Proto: "unix", Peer: profile.Peer{Path: profile.Path(s)}})
		net.DNS = append(net.DNS, profile.DNS{Name: s, Type: s, Answers: []string{s, ip}, By: []string{"/app/" + s}, Seen: []string{s}})
		net.Listen = append(net.Listen, profile.Listen{Proto: "tcp", Addr: "::", Port: 1000 + i, By: []string{"/app/" + s}, Seen: profile.Seen{s: {N: 1}}})
		src := everything()
		src.ID, src.Run, src.Subject.Workload.Name = s, s, s
		sources = append(sources, src)
	}
	p := &profile.Profile{Sources: sources, Network: net}
	h := hint(t, p, Options{Name: evil[0]})
	np, _ := h.NetworkPolicy()
	for key, value := range np.Annotations {
		if len(value) > maxRuleLine {
			t.Errorf("annotation %s has %d bytes", key, len(value))
		}
	}
	text, err := h.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if len(line) > 300 {
			t.Errorf("a line of %d bytes: %.80s", len(line), line)
		}
	}
	want(t, "rules", len(h.Allows(Egress)), 12)
}

func TestErrTooLarge(t *testing.T) {
	t.Parallel()
	h := &Hint{Workload: Workload{PodSelector: webSelector}, PolicyTypes: []Direction{Egress}}
	h.Rules = []Rule{{Direction: Egress, Peer: Peer{Kind: PeerExternal, CIDRs: make([]string, maxSize+1)}}}
	if _, err := h.YAML(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("YAML: %v", err)
	}
	if _, ok := h.NetworkPolicy(); ok {
		t.Error("NetworkPolicy: there is one")
	}
}

// Many rules do not burst what a server takes of annotations.
func TestAnnotationsAreBounded(t *testing.T) {
	t.Parallel()
	var list []profile.Connect
	for i := range 2000 {
		list = append(list, tcp(fmt.Sprintf("203.0.%d.%d", i/200, i%200), 1+2*i, app))
	}
	h := hint(t, connects(list...), Options{})
	np, _ := h.NetworkPolicy()
	size, annotated := 0, 0
	for key, value := range np.Annotations {
		size += len(key) + len(value)
		if strings.HasPrefix(key, annotationRule) {
			annotated++
		}
	}
	if size > maxAnnotationSize {
		t.Errorf("%d bytes of annotations", size)
	}
	want(t, "the others are counted", np.Annotations[annotationRest], fmt.Sprint(len(h.Rules)-annotated))
}

func TestScalar(t *testing.T) {
	t.Parallel()
	for in, out := range map[string]string{
		"web": "web", "10.0.0.0/24": "10.0.0.0/24", "10.0.0.5/24": "10.0.0.5/24", "2001:db8::/64": `"2001:db8::/64"`, "": `""`, "yes": `"yes"`, "5": `"5"`,
		"a\"b\\c": `"a\"b\\c"`, "a\nb": `"a\u000Ab"`, "😀": `"\U0001F600"`, "é": `"\u00E9"`,
	} {
		want(t, in, scalar(in), out)
	}
}

func TestCountsSaturate(t *testing.T) {
	t.Parallel()
	c := tcp("10.0.0.5", 1, app)
	c.Seen = profile.Seen{"a": {N: math.MaxInt64}, "b": {N: math.MaxInt64}, "c": {N: -5}}
	want(t, "count", hint(t, connects(c), Options{}).Rules[0].Evidence.Count, math.MaxInt64)
}
