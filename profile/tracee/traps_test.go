package tracee

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// eventOf is an event of a process, with more members of it and of its container.
func eventOf(name, process, container, data string) string {
	return fmt.Sprintf(`{"timestamp":"2026-03-01T10:00:00Z","name":%q,"workload":{"process":{"unique_id":9,"pid":1,"executable":{"path":"/bin/a"}%s},"container":{"id":"0123456789abcdef","name":"web"%s}},"data":[%s]}`+"\n", name, process, container, data)
}

func text(name, value string) string { return fmt.Sprintf(`{"name":%q,"str":%q}`, name, value) }

func opens(path string) string { return eventOf("security_file_open", "", "", text("pathname", path)) }

func brief(p *profile.Profile) []string {
	var out []string
	for _, x := range p.Executables {
		out = append(out, fmt.Sprint("ran ", x.Key, " ", x.Origin, " scripts ", x.Scripts, " loader ", x.Loader, " via ", x.Via))
	}
	for _, f := range p.Files {
		out = append(out, fmt.Sprint("file ", f.Path, " via ", f.Via))
	}
	for _, m := range p.Missing {
		out = append(out, fmt.Sprint("missing ", m.Path, " ", m.Errno))
	}
	for _, o := range p.Outside {
		out = append(out, "outside "+o.Prefix)
	}
	for _, c := range p.Network.Connect {
		out = append(out, fmt.Sprint("connect ", c.Proto, " ", c.Peer.IP, " ", c.Port, " ", c.Results))
	}
	for _, c := range p.Capabilities {
		out = append(out, "capability "+c.Name)
	}
	return out
}

func TestTraps(t *testing.T) {
	t.Parallel()
	const a = "ran /bin/a [unknown] scripts [] loader [] via []"
	deep := strings.Repeat("/d", 20) // its front may be missing
	script := text("cmdpath", "/start.sh") + "," + text("pathname", "/bin/busybox") + "," + text("interp", "/bin/sh") + "," + text("interpreter_pathname", "/lib/ld.so")
	address := func(kind, ip string) string {
		return text("type", kind) + `,{"name":"remote_addr","sockaddr":{"sa_family":"AF_INET6","sin6_addr":"` + ip + `","sin6_port":443}}`
	}
	for name, tc := range map[string]struct {
		text string
		want []string
		note string
	}{
		"script, interpreter and loader": {
			eventOf("sched_process_exec", "", "", script),
			[]string{"ran /bin/busybox::sh [entrypoint] scripts [/start.sh] loader [/lib/ld.so] via [/bin/sh]"},
			"",
		},
		"an applet": {
			eventOf("sched_process_exec", "", "", text("cmdpath", "/bin/grep")+","+text("pathname", "/bin/busybox")+`,{"name":"argv","str_array":{"value":["grep"]}}`),
			[]string{"ran /bin/busybox::grep [entrypoint] scripts [] loader [] via [/bin/grep]"},
			"",
		},
		"deeper than it can see":   {opens(deep + "/x"), []string{a}, "1 paths that are not whole are left out"},
		"as deep as it can see":    {opens(deep[2:]), []string{a, "file " + deep[2:] + " via []"}, ""},
		"both spellings":           {eventOf("security_file_open", "", "", text("pathname", "/usr/lib/l.so")+","+text("syscall_pathname", "/lib/../lib/l.so")), []string{a, "file /usr/lib/l.so via [/lib/../lib/l.so]"}, ""},
		"older than the recorder":  {opens("/x") + strings.Replace(strings.Replace(opens("/y"), `"/bin/a"`, `""`, 1), `"unique_id":9`, `"unique_id":8`, 1), []string{a, "file /x via []", "file /y via []"}, ""},
		"runc, before the start":   {opens("/x") + eventOf("security_file_open", "", `,"started":false`, text("pathname", "/proc/self/setgroups")), []string{a, "file /x via []"}, "1 events are of the runtime, before the container had started"},
		"a failed open":            {eventOf("openat", "", "", text("pathname", "/etc/x")+`,{"name":"returnValue","int32":-2}`), []string{a, "missing /etc/x [ENOENT]"}, ""},
		"an open that is not good": {eventOf("openat", "", "", text("pathname", "/etc/x")+`,{"name":"returnValue","int32":-13}`), []string{a}, ""},
		"UDP without a packet":     {eventOf("security_socket_connect", "", "", address("SOCK_DGRAM", "2001:db8::1")), []string{a, "connect udp 2001:db8::1 443 [probe-only]"}, ""},
		"mapped into IPv6":         {eventOf("security_socket_connect", "", "", address("SOCK_STREAM", "::ffff:192.0.2.1")), []string{a, "connect tcp 192.0.2.1 443 [in-progress]"}, ""},
		"capability":               {eventOf("cap_capable", "", "", text("cap", "CAP_CHOWN")), []string{a, "capability CHOWN"}, ""},
		"itself":                   {opens("/x") + eventOf("sched_process_exec", "", "", text("pathname", "/proc/self/exe")), []string{a, "file /x via []", "outside /proc"}, "1 uses of programs by paths of /proc or /dev"},
		"a person on a terminal": {
			eventOf("sched_process_exec", "", "", text("pathname", "/bin/a")) +
				eventOf("sched_process_exec", `,"unique_id":7,"pid":9,"ancestors":[{"unique_id":2,"host_pid":401}]`, "", text("pathname", "/bin/sh")+","+text("stdin_type", "S_IFCHR")),
			[]string{"ran /bin/a [entrypoint] scripts [] loader [] via []", "ran /bin/sh [attach] scripts [] loader [] via []"},
			"",
		},
		"numbers in wrappers": {
			eventOf("sched_process_exec", `,"unique_id":7,"pid":{"value":1}`, "", text("pathname", "/bin/a")),
			[]string{"ran /bin/a [entrypoint] scripts [] loader [] via []"},
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
