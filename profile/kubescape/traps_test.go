package kubescape

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// objectOf is an object of one container with these members.
func objectOf(members string) string {
	return head + "kind: ContainerProfile\nmetadata: {name: web, namespace: shop}\nspec: {" + members + "}\n"
}

// TestExecPaths is one field with a meaning for every version of the agent.
func TestExecPaths(t *testing.T) {
	t.Parallel()
	for exec, want := range map[string]string{
		`{path: /bin/busybox, args: [/bin/sh, /start.sh]}`:   "ran /bin/busybox::sh via [/bin/sh] scripts [/start.sh]",
		`{path: /bin/sh, args: [/bin/sh, -e, /start.sh]}`:    "ran /bin/sh via [] scripts [/start.sh]",
		`{path: /start.sh, args: [/start.sh]}`:               "ran /start.sh via [] scripts []",
		`{path: /bin/busybox, args: [wget, -q]}`:             "ran /bin/busybox::wget via [] scripts []",
		`{path: /usr/bin/python3.11, args: [python, -m, x]}`: "ran /usr/bin/python3.11::python via [] scripts []",
		`{path: nginx, args: [/usr/sbin/nginx, -g]}`:         "ran /usr/sbin/nginx via [] scripts []",
		`{path: nginx, args: [nginx]}`:                       "pattern /**/nginx [exec]",
		`{path: grpc_health_pro, args: [x]}`:                 "pattern /**/grpc_health_pro* [exec]",
		`{path: ./client, args: [./client]}`:                 "ran /client via [] scripts []",
		`{path: "", args: [/bin/a]}`:                         "ran /bin/a via [] scripts []",
		`{path: "/memfd:x (deleted)", args: [x]}`:            "ran /memfd:x::x via [] scripts []",
		`{path: /proc/self/exe, args: [runc, init]}`:         "outside /proc",
		`{path: "/opt/⋯/tool", args: [x]}`:                   "pattern /opt/*/tool [exec]",
		"{path: \"/opt/caf\ufffd\", args: [x]}":              "pattern /opt/caf* [exec]",
	} {
		p := mustRead(t, objectOf("execs: ["+exec+"]"), foreign.Options{})
		if diff := cmp.Diff(want, strings.Join(briefPaths(p), "; ")); diff != "" {
			t.Errorf("%s: %s", exec, diff)
		}
	}
}

// TestWildcards is what stands for more than itself, and what only seems so.
func TestWildcards(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/etc/⋯":               "pattern /etc/* [open read]",
		"/usr/lib/*":           "pattern /usr/lib/** [open read]",
		"/srv/*/x":             "pattern /srv/**/x [open read]",
		"/srv/lib⋯.so":         "pattern /srv/lib*.so [open read]",
		"/srv/⋯/a[1]?.png":     `pattern /srv/*/a\[1]\?.png [open read]`,
		"/srv/⋯/a*b":           `pattern /srv/*/a\*b [open read]`,
		"/srv/a*b":             "file /srv/a*b [open read]",
		"/srv/**":              "pattern /srv/** [open read]",
		"/proc/⋯/status":       "outside /proc",
		"relative/x":           "file /relative/x [open read]",
		"/etc/caf\ufffd/x":     "pattern /etc/caf*/x [open read]",
		"/etc/ld.so.preload":   "file /etc/ld.so.preload [open read]",
		"/data/⋯/⋯/⋯/⋯/⋯/⋯/⋯/": "pattern /data/*/*/*/*/*/*/*/ [open read]",
	} {
		p := mustRead(t, objectOf(fmt.Sprintf("opens: [{path: %q, flags: [O_RDONLY]}]", path)), foreign.Options{})
		if diff := cmp.Diff(want, strings.Join(briefPaths(p), "; ")); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	for name, want := range map[string]string{"⋯.example.com.": "*.example.com", "*.example.com": "*.example.com", "API.example.com": "api.example.com"} {
		p := mustRead(t, objectOf(fmt.Sprintf("egress: [{dnsNames: [%q], ports: [{protocol: TCP, port: 443}]}]", name)), foreign.Options{})
		peer := p.Network.Connect[0].Peer
		if peer.Names[0] != want || peer.NameSource[0] != profile.NameNodeCache {
			t.Errorf("%s: %v", name, peer)
		}
	}
}

func briefPaths(p *profile.Profile) []string {
	var out []string
	for _, x := range p.Executables {
		out = append(out, fmt.Sprint("ran ", x.Key, " via ", x.Via, " scripts ", x.Scripts))
	}
	for _, f := range p.Files {
		out = append(out, fmt.Sprint("file ", f.Path, " ", f.Access))
	}
	for _, x := range p.Patterns {
		out = append(out, fmt.Sprint("pattern ", x.Glob, " ", x.Access))
	}
	for _, o := range p.Outside {
		out = append(out, "outside "+o.Prefix)
	}
	return out
}

// TestPeers is of nobody in particular, by address, range, star, name or labels.
func TestPeers(t *testing.T) {
	t.Parallel()
	port := ", ports: [{protocol: TCP, port: 443}]"
	for neighbor, want := range map[string]string{
		"ipAddress: 192.0.2.1" + port:                  "192.0.2.1 {   map[]}",
		"ipAddress: '::ffff:192.0.2.1'" + port:         "192.0.2.1 {   map[]}",
		"ipAddresses: [10.0.0.0/8, 192.0.2.1]" + port:  "10.0.0.0/8 {   map[]}; 192.0.2.1 {   map[]}",
		"ipAddresses: ['*']" + port:                    "0.0.0.0/0 {   map[]}; ::/0 {   map[]}",
		"podSelector: {matchLabels: {app: db}}" + port: " {shop   map[app:db]}",
		"podSelector: {matchLabels: {app: db}}, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: data}}" + port: " {data   map[app:db]}",
		"ipAddress: nonsense" + port: "",
		"ipAddress: 192.0.2.1":       "",
	} {
		p := mustRead(t, objectOf("capabilities: [CAP_CHOWN], egress: [{"+neighbor+"}]"), foreign.Options{})
		var got []string
		for _, c := range p.Network.Connect {
			got = append(got, fmt.Sprint(c.Peer.IP, " ", c.Peer.K8s))
			if len(c.By) > 0 || c.Attribution[0] != profile.AttributionContainer {
				t.Errorf("%s is by %v, %v", neighbor, c.By, c.Attribution)
			}
		}
		if diff := cmp.Diff(want, strings.Join(got, "; ")); diff != "" {
			t.Errorf("%s: %s", neighbor, diff)
		}
		if p.Capabilities[0].Name != "CHOWN" {
			t.Errorf("%+v", p.Capabilities)
		}
		if notes := strings.Join(p.Sources[0].Notes, "\n"); want == "" && notes == "" {
			t.Errorf("%s: nothing is said of it", neighbor)
		}
	}
}

// TestRuntimeNoise tells what the container runtime does in a container.
func TestRuntimeNoise(t *testing.T) {
	t.Parallel()
	noisy := mustRead(t, objectOf("capabilities: [SETGID], opens: [{path: /proc/sys/kernel/cap_last_cap, flags: [O_RDONLY]}]"), foreign.Options{})
	quiet := mustRead(t, objectOf("capabilities: [SETGID], opens: [{path: /proc/self/status, flags: [O_RDONLY]}]"), foreign.Options{})
	const said = "runtime"
	if !strings.Contains(strings.Join(noisy.Sources[0].Notes, "\n"), said) || strings.Contains(strings.Join(quiet.Sources[0].Notes, "\n"), said) {
		t.Errorf("notes %q and %q", noisy.Sources[0].Notes, quiet.Sources[0].Notes)
	}
	if len(noisy.Files) > 0 || noisy.Outside[0].Prefix != "/proc" {
		t.Errorf("%+v", noisy.Files)
	}
}
