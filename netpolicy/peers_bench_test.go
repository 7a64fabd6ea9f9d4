package netpolicy

import (
	"fmt"
	"testing"

	"github.com/lathe-build/lathe/profile"
)

// manyPeers is a cluster of n Services with a pod each, and a profile that
// reached all of them.
func manyPeers(tb testing.TB, n int) (*profile.Profile, Options) {
	var items []string
	var list []profile.Connect
	for i := range n {
		name, ip := fmt.Sprintf("svc-%d", i), fmt.Sprintf("10.96.%d.%d", i/250, i%250+1)
		items = append(items,
			service("shop", name, ip, fmt.Sprintf(`"app":%q`, name), `{"port":80,"targetPort":8080}`),
			pod("shop", name+"-0", fmt.Sprintf("10.244.%d.%d", i/250, i%250+1), fmt.Sprintf(`"app":%q`, name), ""))
		list = append(list, tcp(ip, 80, app))
	}
	return connects(list...), Options{Selector: webSelector, Namespace: "shop", Cluster: clusterOf(tb, items...)}
}

// TestManyPeers: each of thousands of peers is a rule of its own, and time stays
// about linear.
func TestManyPeers(t *testing.T) {
	t.Parallel()
	p, opts := manyPeers(t, 10_000)
	h, err := New(p, fates, opts)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "rules", len(h.Rules), 10_000)
	for _, form := range Forms() {
		if _, err := Render(h, form); err != nil {
			t.Error(err)
		}
	}
}

// BenchmarkManyPeers makes a hint of 10,000 Services.
func BenchmarkManyPeers(b *testing.B) {
	p, opts := manyPeers(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New(p, fates, opts); err != nil {
			b.Fatal(err)
		}
	}
}
