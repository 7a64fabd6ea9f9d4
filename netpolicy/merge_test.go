package netpolicy

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/lathe-build/lathe/profile"
)

// container is the hint of one container of a pod.
func container(t *testing.T, name string, p *profile.Profile) *Hint {
	t.Helper()
	for i := range p.Sources {
		p.Sources[i].Subject.Container = name
	}
	return hint(t, p, Options{Namespace: "shop", Name: "web", Template: &Template{Containers: []string{"app", "log"}}})
}

func jsonOf(t *testing.T, h *Hint) []byte {
	t.Helper()
	data, err := h.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func merged(t *testing.T, hints ...*Hint) *Hint {
	t.Helper()
	h, err := Merge(hints...)
	if err != nil {
		t.Fatal(err)
	}
	checkRendered(t, h)
	return h
}

// TestMergeLaws: whatever the order and however often, the result is the same,
// and what one container may do the pod may.
func TestMergeLaws(t *testing.T) {
	t.Parallel()
	for seed := range uint64(80) {
		r := rand.New(rand.NewPCG(seed, 9))
		make1 := func() *Hint {
			p := randomProfile(r)
			for i := range p.Sources {
				p.Sources[i].Subject = profile.Subject{}
			}
			return hint(t, p, Options{Namespace: "shop", Name: "web", Strict: seed%2 == 0})
		}
		a, b, c := make1(), make1(), make1()
		all := jsonOf(t, merged(t, a, b, c))
		for name, other := range map[string]*Hint{
			"order": merged(t, c, a, b), "left": merged(t, merged(t, a, b), c), "right": merged(t, a, merged(t, c, b)),
			"again": merged(t, merged(t, a, b, c), b),
		} {
			if got := jsonOf(t, other); !bytes.Equal(got, all) {
				want(t, name, string(got), string(all))
				t.Fatalf("seed %d", seed)
			}
		}
		pod := merged(t, a, b, c)
		for _, part := range []*Hint{a, b, c} {
			e, err := pod.evaluator(Core)
			if err != nil {
				t.Fatal(err)
			}
			for _, rule := range part.Rules {
				for p := range part.packets(rule.Direction, rule.Peer, rule.Ports) {
					if !e.Allows(p) {
						t.Fatalf("seed %d: %s of a container is denied for the pod", seed, packetText(p))
					}
				}
			}
		}
	}
}

// TestMergePod is case 49: one container of two is refused, both together are not.
func TestMergePod(t *testing.T) {
	t.Parallel()
	web := container(t, "app", connects(tcp("10.0.0.5", 5432, app), tcp("10.0.0.9", 443, curl)))
	logs := container(t, "log", connects(tcp("10.0.0.9", 443, "/app/log")))
	if _, err := web.YAML(); err == nil || !strings.Contains(err.Error(), "log") {
		t.Errorf("a policy of one container of two: %v", err)
	}
	pod := merged(t, web, logs)
	text, err := pod.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{"10.0.0.5/32", "10.0.0.9/32"} {
		if !bytes.Contains(text, []byte(wanted)) {
			t.Errorf("%s is not in the policy of the pod:\n%s", wanted, text)
		}
	}
	if len(pod.Parts) != 2 || pod.Parts[0].Container != "app" || pod.Image != (Image{}) {
		t.Errorf("parts %+v, image %+v", pod.Parts, pod.Image)
	}
}

func TestMergeBlindContainer(t *testing.T) {
	t.Parallel()
	seeing := hint(t, connects(tcp("10.0.0.5", 5432, app)), Options{Name: "web"})
	blind := hint(t, &profile.Profile{Network: profile.Network{Listen: []profile.Listen{listen("0.0.0.0", 80, app)}}}, Options{Name: "web"})
	pod := merged(t, seeing, blind)
	if pod.Restricts(Egress) || !pod.Restricts(Ingress) {
		t.Errorf("restricts %q: nobody knows what the second container connects to", pod.PolicyTypes)
	}
	if len(pod.Omitted) != 1 || pod.Omitted[0].Reason != reasonUnrestricted {
		t.Errorf("omitted %+v", pod.Omitted)
	}
}

func TestMergeOtherWorkloads(t *testing.T) {
	t.Parallel()
	p := connects(tcp("10.0.0.5", 5432, app))
	first := hint(t, p, Options{Namespace: "shop"})
	for name, opts := range map[string]Options{
		"namespace": {Namespace: "other"}, "selector": {Namespace: "shop", Selector: map[string]string{"app": "db"}},
	} {
		if _, err := Merge(first, hint(t, p, opts)); err == nil {
			t.Errorf("%s: hints of two workloads were merged", name)
		}
	}
	if _, err := Merge(); err == nil {
		t.Error("nothing was merged")
	}
}

// TestMergeParts: a hint that claims to be made of the same parts is not taken
// for them.
func TestMergeParts(t *testing.T) {
	t.Parallel()
	pod := merged(t, hint(t, connects(tcp("10.0.0.5", 80, app)), Options{Name: "web"}), hint(t, connects(tcp("10.0.0.6", 80, app)), Options{Name: "web"}))
	other := hint(t, connects(tcp("10.0.0.7", 80, app)), Options{Name: "web"})
	other.Parts = pod.Parts
	want(t, "rules", allowedCIDRs(merged(t, pod, other)), []string{"10.0.0.5/32 TCP/80", "10.0.0.6/32 TCP/80", "10.0.0.7/32 TCP/80"})
	lying := *other
	lying.Parts = append([]Part{{Container: "x", Hint: pod.Parts[0].Hint}}, pod.Parts[1:]...)
	if _, err := Merge(pod, &lying); err == nil {
		t.Error("one part is of two containers")
	}
	for name, parts := range map[string][]Part{
		"one": pod.Parts[:1], "no digest": {{}, pod.Parts[0]}, "twice": {pod.Parts[0], pod.Parts[0]}, "not a digest": {{Hint: "x"}, pod.Parts[0]},
	} {
		lying.Parts = parts
		if _, err := ParseHint(jsonOf(t, &lying)); err == nil {
			t.Errorf("%s: the parts were taken", name)
		}
	}
}

// TestMergeMany: ten thousand hints make one in time that is about linear.
func TestMergeMany(t *testing.T) {
	t.Parallel()
	one := hint(t, connects(tcp("10.0.0.5", 80, app)), Options{Name: "web"})
	var list []*Hint
	for i := range 10_000 {
		h := *one
		h.Profile.To = at("2026-11-21T20:00:00Z").Add(time.Duration(i) * time.Second).Format(timeLayout)
		h.Rules = []Rule{one.Rules[0]}
		h.Rules[0].Evidence.Observed = []string{h.Profile.To}
		list = append(list, &h)
	}
	begin := time.Now()
	h, err := Merge(list...)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "parts", len(h.Parts), len(list))
	want(t, "observed", len(h.Rules[0].Evidence.Observed), len(list))
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("merging 10,000 hints took %s", took)
	}
}
