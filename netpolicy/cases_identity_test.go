package netpolicy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/netpolicy/inventory"
	"github.com/lathe-build/lathe/profile"
)

// pod, service and slice write objects as kubectl prints them.
func pod(ns, name, ip string, labels string, more string) string {
	return fmt.Sprintf(`{"kind":"Pod","metadata":{"namespace":%q,"name":%q,"uid":%q,"labels":{%s}%s,"status":{"podIP":%q,"startTime":"2026-11-21T19:00:00Z"}}`, ns, name, name, labels, podRest(more), ip)
}

func podRest(more string) string {
	if more == "" {
		return `},"spec":{}`
	}
	return more
}

func service(ns, name, ip, selector, ports string) string {
	sel := ""
	if selector != "" {
		sel = `,"selector":{` + selector + `}`
	}
	return fmt.Sprintf(`{"kind":"Service","metadata":{"namespace":%q,"name":%q,"labels":{"kubernetes.io/cluster-service":"true","addon":"x"}},"spec":{"clusterIP":%q%s,"ports":[%s]}}`, ns, name, ip, sel, ports)
}

func endpointSlice(ns, service, addr, port string) string {
	return fmt.Sprintf(`{"kind":"EndpointSlice","metadata":{"namespace":%q,"name":"x","labels":{"kubernetes.io/service-name":%q}},"addressType":"IPv4","endpoints":[{"addresses":[%q]}],"ports":[%s]}`, ns, service, addr, port)
}

func clusterOf(t testing.TB, items ...string) *inventory.Cluster {
	t.Helper()
	c := inventory.New()
	if err := c.Read(strings.NewReader(`{"kind":"List","items":[`+strings.Join(items, ",")+`]}`), inventory.Limits{}); err != nil {
		t.Fatal(err)
	}
	return c
}

func mappingOf(t testing.TB, text string) *inventory.Mapping {
	t.Helper()
	m, err := inventory.ReadMapping(strings.NewReader("apiVersion: lathe.dev/v1alpha1\nkind: Peers\npeers:\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// peers lists the egress rules: peer, ports, what led there.
func peers(h *Hint, d Direction) []string {
	var list []string
	for _, r := range h.Allows(d) {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Peer.Kind, r.Peer.short(), portList(r.Ports, 99), strings.Join(r.Peer.Via, ", "))))
	}
	return list
}

func owned(kind, name string) string {
	return fmt.Sprintf(`,"ownerReferences":[{"kind":%q,"name":%q,"controller":true}]},"spec":{}`, kind, name)
}

func withPort(name string, n int) string {
	return fmt.Sprintf(`},"spec":{"containers":[{"ports":[{"name":%q,"containerPort":%d}]}]}`, name, n)
}

const hostPod = `},"spec":{"hostNetwork":true}`

// kubeDNS is the cluster's resolver with labels that no pod of it has.
func kubeDNS(target string) []string {
	return []string{
		service("kube-system", "kube-dns", "10.96.0.10", `"k8s-app":"kube-dns"`, `{"name":"dns","protocol":"UDP","port":53,"targetPort":`+target+`},{"name":"dns-tcp","port":53,"targetPort":`+target+`}`),
		pod("kube-system", "coredns-1", "10.244.0.2", `"k8s-app":"kube-dns"`, ""),
	}
}

func TestCaseIdentity(t *testing.T) {
	t.Parallel()
	api := service("shop", "api", "10.96.5.5", `"app":"api"`, `{"port":80,"targetPort":8080}`)
	kubernetes := service("default", "kubernetes", "10.96.0.1", "", `{"name":"https","port":443,"targetPort":6443}`)
	master := endpointSlice("default", "kubernetes", "192.168.1.2", `{"name":"https","port":6443}`)
	tests := []struct {
		name    string
		items   []string
		peers   string
		connect []profile.Connect
		opts    Options
		want    []string
		codes   []string
	}{
		{
			name: "05 Service to target port", items: []string{api, pod("shop", "api-1", "10.244.1.5", `"app":"api"`, "")},
			connect: []profile.Connect{tcp("10.96.5.5", 80, app)},
			want:    []string{"pods shop/app=api TCP/8080 service shop/api"},
		},
		{
			name: "05 before translation", items: []string{api}, opts: Options{PreDNAT: true},
			connect: []profile.Connect{tcp("10.96.5.5", 80, app)},
			want:    []string{"pods shop/app=api TCP/80,TCP/8080 service shop/api"},
		},
		{
			name: "06 named port that differs", items: []string{
				service("shop", "api", "10.96.5.5", `"app":"api"`, `{"port":80,"targetPort":"http"}`),
				pod("shop", "api-1", "10.244.1.5", `"app":"api"`, withPort("http", 8080)), pod("shop", "api-2", "10.244.1.6", `"app":"api"`, withPort("http", 9090)),
			},
			connect: []profile.Connect{tcp("10.96.5.5", 80, app)},
			want:    []string{"pods shop/app=api TCP/8080,TCP/9090 service shop/api"},
		},
		{
			name: "06 named port that all share", items: []string{
				service("shop", "api", "10.96.5.5", `"app":"api"`, `{"port":80,"targetPort":"http"}`),
				pod("shop", "api-1", "10.244.1.5", `"app":"api"`, withPort("http", 8080)), pod("shop", "api-2", "10.244.1.6", `"app":"api"`, withPort("http", 8080)),
			},
			connect: []profile.Connect{tcp("10.96.5.5", 80, app)},
			want:    []string{"pods shop/app=api TCP/http(8080) service shop/api"},
		},
		{
			name: "07 no selector", items: []string{service("shop", "db", "10.96.7.7", "", `{"name":"pg","port":5432}`), endpointSlice("shop", "db", "172.16.9.9", `{"name":"pg","port":6432}`)},
			connect: []profile.Connect{tcp("10.96.7.7", 5432, app)},
			want:    []string{"endpoints 172.16.9.9/32 TCP/6432 service shop/db"},
		},
		{
			name: "08 API server", items: []string{kubernetes, master}, connect: []profile.Connect{tcp("10.96.0.1", 443, app)},
			want: []string{"api-server 192.168.1.2/32 TCP/6443 service default/kubernetes"},
		},
		{
			name: "10 StatefulSet without its owner's selector", items: []string{
				pod("shop", "db-0", "10.244.2.1", `"app":"db","statefulset.kubernetes.io/pod-name":"db-0","apps.kubernetes.io/pod-index":"0","ordinal":"zero"`, owned("StatefulSet", "db")),
				pod("shop", "db-1", "10.244.2.2", `"app":"db","statefulset.kubernetes.io/pod-name":"db-1","apps.kubernetes.io/pod-index":"1","ordinal":"one"`, owned("StatefulSet", "db")),
				pod("shop", "db-2", "10.244.2.3", `"app":"db","statefulset.kubernetes.io/pod-name":"db-2","apps.kubernetes.io/pod-index":"2","ordinal":"two"`, owned("StatefulSet", "db")),
			},
			connect: []profile.Connect{tcp("10.244.2.1", 5432, app), tcp("10.244.2.2", 5432, app), tcp("10.244.2.3", 5432, app)},
			want:    []string{"pods shop/app=db TCP/5432 statefulset shop/db"},
		},
		{
			name: "11 Job", items: []string{pod("shop", "job-x", "10.244.3.1", `"app":"batch","job-name":"job-7","controller-uid":"u","batch.kubernetes.io/job-name":"job-7"`, owned("Job", "job-7"))},
			connect: []profile.Connect{tcp("10.244.3.1", 9000, app)}, want: []string{"pods shop/app=batch TCP/9000 job shop/job-7"},
		},
		{
			name: "12 address of two pods", items: []string{pod("shop", "a-1", "10.244.4.1", `"app":"a"`, ""), pod("shop", "b-1", "10.244.4.1", `"app":"b"`, "")},
			connect: []profile.Connect{tcp("10.244.4.1", 80, app)},
			want:    []string{"private 10.244.4.1/32 TCP/80"}, codes: []string{WarnAmbiguous, WarnAddressUnresolved},
		},
		{
			name: "13 another namespace", items: []string{service("infra", "cache", "10.96.8.8", `"app":"redis"`, `{"port":6379}`)},
			connect: []profile.Connect{tcp("10.96.8.8", 6379, app)}, want: []string{"pods infra/app=redis TCP/6379 service infra/cache"},
		},
		{
			name: "15 host network", items: []string{
				`{"kind":"Node","metadata":{"name":"n1"},"status":{"addresses":[{"type":"InternalIP","address":"192.168.1.7"}]}}`,
				pod("kube-system", "exporter", "192.168.1.7", `"app":"exporter"`, hostPod),
			},
			connect: []profile.Connect{tcp("192.168.1.7", 9100, app)}, want: []string{"nodes 192.168.1.7/32 TCP/9100"}, codes: []string{WarnHostNetwork},
		},
		{
			name: "16 kube-dns by its selector", items: kubeDNS("53"), connect: []profile.Connect{udp("10.96.0.10", 53, app)},
			want: []string{"cluster-dns cluster-dns TCP/53,UDP/53 service kube-system/kube-dns"},
		},
		{
			name: "18 DNS behind 53", items: kubeDNS("5353"), connect: []profile.Connect{udp("10.96.0.10", 53, app)},
			want: []string{"cluster-dns cluster-dns TCP/5353,UDP/5353 service kube-system/kube-dns"},
		},
		{
			name: "Service without the port", items: []string{api}, connect: []profile.Connect{tcp("10.96.5.5", 81, app)},
			want: []string{"private 10.96.5.5/32 TCP/81"}, codes: []string{WarnAddressUnresolved},
		},
		{
			name: "33 a block by hand around a metadata service", peers: "- {name: link, match: [169.254.0.7], action: addresses, cidrs: [169.254.0.0/16]}\n",
			connect: []profile.Connect{tcp("169.254.0.7", 80, app), tcp("169.254.169.254", 80, app)},
			want:    []string{"mapped 169.254.0.0/16 TCP/80 mapping link"}, codes: []string{WarnMetadata},
		},
		{
			name: "33 a metadata service by hand", peers: "- {name: link, match: [10.0.0.7], action: addresses, cidrs: [169.254.169.254/32]}\n",
			connect: []profile.Connect{tcp("10.0.0.7", 80, app)}, want: nil,
		},
		{
			name: "46 by hand and by inventory", items: []string{api}, peers: "- {name: mine, match: [10.96.5.5], action: pods, namespace: shop, podSelector: {app: mine}}\n",
			connect: []profile.Connect{tcp("10.96.5.5", 80, app)}, want: []string{"pods shop/app=mine TCP/80 mapping mine"}, codes: []string{WarnPeersConflict},
		},
		{
			name: "left out by hand", peers: "- {name: telemetry, match: [203.0.113.0/24], action: omit}\n",
			connect: []profile.Connect{tcp("203.0.113.9", 443, app)}, want: nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opts := tt.opts
			opts.Namespace = "shop"
			if tt.items != nil {
				opts.Cluster = clusterOf(t, tt.items...)
			}
			if tt.peers != "" {
				opts.Mapping = mappingOf(t, tt.peers)
			}
			h := hint(t, connects(tt.connect...), opts)
			want(t, "rules", peers(h, Egress), tt.want)
			for _, code := range tt.codes {
				want(t, code, hasCode(h, code), true)
			}
			np, _ := h.NetworkPolicy()
			for _, r := range np.Spec.Egress {
				for _, p := range r.To {
					if p.PodSelector != nil && len(p.PodSelector.MatchLabels) == 0 {
						t.Error("an empty selector")
					}
				}
			}
		})
	}
}

// Case 13: both selectors stand in one peer; two would be an or.
func TestCase13OnePeer(t *testing.T) {
	t.Parallel()
	c := clusterOf(t, service("infra", "cache", "10.96.8.8", `"app":"redis"`, `{"port":6379}`), `{"kind":"Namespace","metadata":{"name":"infra"}}`)
	h := hint(t, connects(tcp("10.96.8.8", 6379, app)), Options{Namespace: "shop", Cluster: c})
	np, _ := h.NetworkPolicy()
	want(t, "peers", len(np.Spec.Egress[0].To), 1)
	v := policyOf(t, h)
	want(t, "pod", v.pod("infra", map[string]string{"app": "redis"}, protoTCP, 6379), true)
	want(t, "other pod of the namespace", v.pod("infra", map[string]string{"app": "x"}, protoTCP, 6379), false)
	want(t, "such a pod elsewhere", v.pod("shop", map[string]string{"app": "redis"}, protoTCP, 6379), false)
}

// Case 14: the label that every API server adds need not be in the file.
func TestCase14NamespaceLabel(t *testing.T) {
	t.Parallel()
	c := clusterOf(t, `{"kind":"Namespace","metadata":{"name":"infra","labels":{"team":"x"}}}`)
	want(t, "labels", c.NamespaceLabels("infra"), map[string]string{namespaceLabel: "infra", "team": "x"})
}

// Case 15: pods on their node's network get no policy.
func TestCase15OwnHostNetwork(t *testing.T) {
	t.Parallel()
	p := connects(tcp("203.0.113.9", 443, app))
	for name, opts := range map[string]Options{
		"template":  {Template: &Template{Selector: webSelector, HostNetwork: true}},
		"inventory": {Namespace: "shop", Selector: webSelector, Cluster: clusterOf(t, pod("shop", "web-1", "192.168.1.7", `"app":"web"`, hostPod))},
	} {
		h, err := New(p, fates, opts)
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.YAML()
		want(t, name, fmt.Sprint(err), "rendering network policy: "+ErrHostNetwork.Error())
		want(t, "warned", hasCode(h, WarnHostNetwork), true)
	}
}

// Case 9: an ExternalName Service and a chain of CNAMEs lead outside.
func TestCase09Aliases(t *testing.T) {
	t.Parallel()
	c := clusterOf(t, `{"kind":"Service","metadata":{"namespace":"shop","name":"pay"},"spec":{"type":"ExternalName","externalName":"API.pay.example."}}`)
	p := complete(profile.Network{
		Connect: []profile.Connect{tcp("203.0.113.9", 443, app)},
		DNS:     []profile.DNS{{Name: "pay.shop.svc.cluster.local", Type: "A", Answers: []string{"edge.cdn.example", "203.0.113.9"}, By: []string{app}}},
	})
	h := hint(t, p, Options{Namespace: "shop", Cluster: c})
	i := len(h.Allows(Egress)) - 1
	r := h.Allows(Egress)[i]
	want(t, "kind", r.Peer.Kind, PeerExternal)
	want(t, "names", r.Peer.Names, []string{"api.pay.example", "edge.cdn.example", "pay.shop.svc.cluster.local"})
}

// Case 49: a policy of one container of several.
func TestCase49Partial(t *testing.T) {
	t.Parallel()
	tmpl := &Template{Selector: webSelector, Containers: []string{"web", "proxy"}, Container: "web", ProbePorts: []int32{8080, 9999}}
	p := complete(profile.Network{Listen: []profile.Listen{listen("0.0.0.0", 8080, app)}})
	h, err := New(p, fates, Options{Template: tmpl})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "selector", h.Workload.SelectorFrom, SelectorManifest)
	_, err = h.YAML()
	want(t, "refused", fmt.Sprint(err), "rendering network policy: "+ErrPartial.Error()+": nothing is known of proxy")
	want(t, "probe", hasCode(h, WarnProbePort), true)
	if h, err = New(p, fates, Options{Template: tmpl, Partial: true}); err != nil {
		t.Fatal(err)
	}
	if _, err = h.YAML(); err != nil {
		t.Error(err)
	}
}

// Case 51: a test harness is no source; who was seen as a pod is.
func TestCase51Sources(t *testing.T) {
	t.Parallel()
	c := clusterOf(t, pod("infra", "lb-1", "10.244.9.9", `"app":"lb"`, ""))
	accept := func(ip string) profile.Accept {
		return profile.Accept{Proto: "tcp", Port: 8080, Peer: profile.Peer{IP: ip}, By: []string{app}}
	}
	p := complete(profile.Network{Listen: []profile.Listen{listen("0.0.0.0", 8080, app)}, Accept: []profile.Accept{accept("10.244.9.9"), accept("172.17.0.1")}})
	h := hint(t, p, Options{Namespace: "shop", Cluster: c})
	want(t, "sources", peers(h, Ingress), []string{"pods infra/app=lb TCP/8080 pod infra/lb-1"})
	want(t, "omitted", hasCode(h, WarnSourceOmitted), true)
	p.Network.Accept = p.Network.Accept[1:]
	for from, wanted := range map[IngressFrom][]string{
		FromAnywhere: {"any any TCP/8080"}, FromNamespace: {"namespace namespace TCP/8080"}, FromNobody: nil,
	} {
		want(t, "unknown sources", peers(hint(t, p, Options{Namespace: "shop", Cluster: c, IngressFrom: from}), Ingress), wanted)
	}
	if _, err := New(p, fates, Options{IngressFrom: FromNamespace}); err == nil {
		t.Error("pods of a namespace that is not known")
	}
}
