package tetragon

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// eventOf is an event of a program, with more members of its process and of the
// event.
func eventOf(kind, binary, process, more string) string {
	return fmt.Sprintf(`{"process_%s":{"process":{"binary":%q,"cwd":"/srv","pod":{"namespace":"n","name":"p","container":{"name":"web","id":"c://0123456789ab","pid":9}}%s}%s},"time":"2026-03-01T10:00:00Z"}`+"\n", kind, binary, process, more)
}

func kprobe(function, args string) string {
	return eventOf("kprobe", "/bin/a", "", `,"function_name":"`+function+`","policy_name":"lathe-x","args":[`+args+`]`)
}

// brief is the facts of a profile in a few words.
func brief(p *profile.Profile) []string {
	var out []string
	for _, x := range p.Executables {
		out = append(out, fmt.Sprint("ran ", x.Key, " ", x.Origin, " ", x.Layer))
	}
	for _, f := range p.Files {
		out = append(out, fmt.Sprint("file ", f.Path, " ", f.Access))
	}
	for _, m := range p.Missing {
		out = append(out, fmt.Sprint("missing ", m.Path))
	}
	for _, x := range p.Patterns {
		out = append(out, fmt.Sprint("pattern ", x.Glob))
	}
	for _, o := range p.Outside {
		out = append(out, "outside "+o.Prefix)
	}
	for _, c := range p.Network.Connect {
		out = append(out, fmt.Sprint("connect ", c.Proto, " ", c.Peer.IP, " ", c.Port, " ", c.Results, " ", c.By))
	}
	for _, c := range p.Capabilities {
		out = append(out, fmt.Sprint("capability ", c.Name, " ", c.Result))
	}
	return out
}

func TestTraps(t *testing.T) {
	t.Parallel()
	const a = "ran /bin/a [child] []"
	start := eventOf("exec", "/bin/a", "", "")
	for name, tc := range map[string]struct {
		text string
		want []string
		note string
	}{
		"a relative program":          {eventOf("exec", "bin/x", "", ""), []string{"ran /srv/bin/x [child] []"}, ""},
		"above the directory":         {eventOf("exec", "../x", "", ""), []string{"ran /srv/../x [child] []"}, ""},
		"no slash in front":           {kprobe("security_file_open", `{"file_arg":{"path":"etc/passwd"}}`), []string{a, "file /etc/passwd [open]"}, ""},
		"lost components":             {kprobe("security_file_open", `{"file_arg":{"path":"/tail","flags":"unresolvedPathComponents"}}`), []string{a}, "1 paths that are not whole are left out"},
		"a name that was cut":         {start + eventOf("exec", "/usr/bin/lon", `,"flags":"execve truncFilename"`, ""), []string{a}, "1 paths that are not whole"},
		"an error in place of a name": {start + eventOf("exec", "/x", `,"flags":"execve errorFilename"`, ""), []string{a}, "1 paths that are not whole"},
		"deleted":                     {eventOf("exec", "/opt/x (deleted)", "", ""), []string{"ran /opt/x [child] [unknown]"}, ""},
		"memfd":                       {eventOf("exec", "/proc/self/fd/3", `,"binary_properties":{"file":{"path":"memfd:x (deleted)"}}`, ""), []string{"ran /memfd:x [child] [memfd]"}, ""},
		"itself":                      {start + eventOf("exec", "/proc/self/exe", "", ""), []string{a, "outside /proc"}, "1 uses of programs by paths of /proc or /dev"},
		"a descriptor":                {start + eventOf("exec", "/dev/fd/3", "", ""), []string{a, "outside /dev"}, "which do not say which program it is"},
		"seen from the host":          {kprobe("security_file_open", `{"file_arg":{"path":"/var/lib/docker/overlay2/0af/merged/etc/x"}}`), []string{a, "file /etc/x [open]"}, ""},
		"bytes that JSON cannot hold": {kprobe("security_file_open", `{"file_arg":{"path":"/etc/caf\ufffd/x"}}`), []string{a, "pattern /etc/caf*/x"}, ""},
		"a failed open":               {strings.Replace(kprobe("__x64_sys_openat", `{"int_arg":-100},{"string_arg":"x"},{"int_arg":0}`), `"policy_name"`, `"return":{"int_arg":-2},"policy_name"`, 1), []string{a, "missing /srv/x"}, ""},
		"an open without its result":  {kprobe("__x64_sys_openat", `{"int_arg":-100},{"string_arg":"x"},{"int_arg":0}`), []string{a}, ""},
		"relative to a descriptor":    {kprobe("__x64_sys_openat", `{"int_arg":7},{"string_arg":"x"},{"int_arg":0}`), []string{a}, "1 paths that are not whole"},
		"an address mapped into IPv6": {kprobe("tcp_connect", `{"sock_arg":{"protocol":"IPPROTO_TCP","daddr":"::ffff:192.0.2.1","dport":80}}`), []string{a, "connect tcp 192.0.2.1 80 [in-progress] [/bin/a]"}, ""},
		"a socket without a peer":     {kprobe("udp_sendmsg", `{"sock_arg":{"protocol":"IPPROTO_UDP","daddr":"0.0.0.0","dport":0}}`), []string{a}, ""},
		"names of capabilities":       {kprobe("cap_capable", `{"capability_arg":{"name":"CAP_CHOWN"}}`) + kprobe("cap_capable", `{"capability_arg":{"name":"CHOWN"}}`), []string{a, "capability CHOWN []"}, ""},
		"what is held, not used":      {eventOf("exec", "/bin/a", `,"cap":{"effective":["CAP_SYS_ADMIN"]}`, ""), []string{a}, ""},
		"a person":                    {eventOf("exec", "/bin/a", `,"in_init_tree":false`, ""), []string{"ran /bin/a [attach] []"}, ""},
		"a probe": {
			strings.Replace(eventOf("exec", "/bin/a", `,"in_init_tree":false`, ""), `"pid":9`, `"pid":9,"maybe_exec_probe":true`, 1),
			[]string{"ran /bin/a [probe] []"},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := mustImport(t, tc.text, foreign.Options{})
			if diff := cmp.Diff(tc.want, brief(p)); diff != "" {
				t.Error(diff)
			}
			if notes := strings.Join(p.Sources[0].Notes, "\n"); !strings.Contains(notes, tc.note) {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// A policy that lathe did not write may filter: its events prove presence only.
func TestForeignPolicies(t *testing.T) {
	t.Parallel()
	text := eventOf("exec", "/bin/a", "", "") + kprobe("security_file_open", `{"file_arg":{"path":"/x"}}`)
	whole := mustImport(t, text, foreign.Options{}).Sources[0]
	filtered := mustImport(t, strings.Replace(text, "lathe-x", "sensitive-files", 1), foreign.Options{}).Sources[0]
	if !slices.Contains(whole.Observes, profile.ObservesOpen) || slices.Contains(filtered.Observes, profile.ObservesOpen) {
		t.Errorf("%v, %v", whole.Observes, filtered.Observes)
	}
	if notes := strings.Join(filtered.Notes, "\n"); !strings.Contains(notes, `prove presence only: ["sensitive-files"]`) {
		t.Errorf("notes %q", notes)
	}
}
