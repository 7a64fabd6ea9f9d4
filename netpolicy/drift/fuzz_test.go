package drift

import (
	"errors"
	"testing"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/profile"
)

// FuzzHints: whatever hint is read can be compared, merged and judged by.
func FuzzHints(f *testing.F) {
	made := func(p *profile.Profile) []byte {
		h, err := netpolicy.New(p, fates, netpolicy.Options{Selector: map[string]string{"app": "web"}})
		if err != nil {
			f.Fatal(err)
		}
		data, err := h.JSON()
		if err != nil {
			f.Fatal(err)
		}
		return data
	}
	plain, other := made(complete(base())), made(complete(profile.Network{Connect: []profile.Connect{connect("udp", "2001:db8::1", 53, app)}}))
	f.Add(plain, other)
	f.Add(other, other)
	f.Add([]byte(`{"schema":"lathe.dev/hint/v1","workload":{"name":""},"tightened":[{"direction":"egress","peer":{"kind":"","cidrs":["x"]},"ports":[{"port":-1,"endPort":99999999}]}]}`), plain)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		a, err := netpolicy.ParseHint(first)
		if err != nil {
			return
		}
		b, err := netpolicy.ParseHint(second)
		if err != nil {
			b = a
		}
		list, err := Diff(a, b)
		if err != nil && !errors.Is(err, ErrTooComplex) {
			t.Fatal(err)
		}
		if string(first) == string(second) && len(list) > 0 {
			t.Fatalf("a hint differs from itself: %+v", list)
		}
		for _, h := range []*netpolicy.Hint{a, b} {
			judge := NewJudge(h, nil)
			mustAudit(t, judge, h.Connections())
			mustAudit(t, judge, observe(t, complete(base())))
			if e, err := h.Evaluator(netpolicy.Core); err == nil {
				mustCheck(t, e, judge, h.Connections())
			}
		}
		m, err := netpolicy.Merge(a, b)
		if err != nil {
			return
		}
		data, err := m.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := netpolicy.ParseHint(data); err != nil {
			t.Fatalf("a merged hint cannot be read: %v\n%s", err, data)
		}
	})
}
