package harden_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/formats"
)

// The image of one run: a script that a multi-call binary interprets starts a
// server, which reads a file through links. No recorder but one sees the loader.
const recordedImage = `
dir etc
link etc/web.conf -> /srv/conf/web.conf
file srv/conf/web.conf x
file srv/conf/unused.conf x
link bin -> usr/bin
link lib -> usr/lib
elf usr/lib/ld-musl-x86_64.so.1 soname=libc.musl-x86_64.so.1
elf usr/lib/libssl.so.3 soname=libssl.so.3
elf usr/lib/libcurl.so.4 soname=libcurl.so.4
elf usr/bin/busybox interp=/lib/ld-musl-x86_64.so.1
link usr/bin/sh -> busybox
link usr/bin/wget -> busybox
elf usr/bin/server interp=/lib/ld-musl-x86_64.so.1 needed=libssl.so.3
elf usr/bin/curl interp=/lib/ld-musl-x86_64.so.1 needed=libcurl.so.4
script start.sh = /bin/sh -e
script unused.sh = /bin/sh
`

// recordings are the same run as each recorder tells of it: the program's path
// is the script, its interpreter, or what links lead to; an applet is in argv
// only; opens are raw or resolved.
func recordings() map[string]string {
	const tetragon = `{"process_exec":{"process":{"binary":%q,"cwd":"/","pod":{"namespace":"n","name":"p","container":{"name":"web","id":"c://0123456789ab","pid":1}}}},"time":"2026-03-01T10:00:00Z"}` + "\n"
	const opened = `{"process_kprobe":{"process":{"binary":"/usr/bin/server","cwd":"/","pod":{"namespace":"n","name":"p","container":{"name":"web","id":"c://0123456789ab","pid":1}}},"function_name":"security_file_open","args":[{"file_arg":{"path":"/srv/conf/web.conf"}}],"policy_name":"lathe-files"},"time":"2026-03-01T10:00:00Z"}` + "\n"
	tracee := func(name, data string) string {
		return fmt.Sprintf(`{"timestamp":"2026-03-01T10:00:00Z","name":%q,"workload":{"process":{"unique_id":9,"pid":1,"executable":{"path":"/usr/bin/server"}},"container":{"id":"0123456789ab","name":"web","started":true}},"data":[%s]}`+"\n", name, data)
	}
	gadget := func(more string) string {
		return `{"timestamp_raw":1772359200100000000,"proc":{"comm":"a","pid":5,"mntns_id":1},"runtime":{"containerName":"web"},` + more + "}\n"
	}
	objects := func(execs string) string {
		return "apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1\nkind: ApplicationProfile\n" +
			"metadata: {name: web, annotations: {kubescape.io/completion: complete, kubescape.io/status: completed}}\n" +
			"spec: {containers: [{name: web, execs: [" + execs + ", {path: /usr/bin/server, args: [server]}], opens: [{path: /etc/web.conf, flags: [O_RDONLY]}]}]}\n"
	}
	return map[string]string{
		"strace": `7 execve("/start.sh", ["/start.sh"], 0x7ffe) = 0
7 execve("/bin/server", ["server"], 0x7ffe) = 0
7 openat(AT_FDCWD, "/etc/web.conf", O_RDONLY) = 3
`,
		"tetragon": fmt.Sprintf(tetragon+tetragon, "/start.sh", "/bin/server") + opened,
		"tracee": tracee("sched_process_exec", `{"name":"cmdpath","str":"/start.sh"},{"name":"pathname","str":"/usr/bin/busybox"},{"name":"interp","str":"/bin/sh"},{"name":"interpreter_pathname","str":"/usr/lib/ld-musl-x86_64.so.1"}`) +
			tracee("sched_process_exec", `{"name":"cmdpath","str":"/bin/server"},{"name":"pathname","str":"/usr/bin/server"},{"name":"interp","str":"/bin/server"}`) +
			tracee("security_file_open", `{"name":"pathname","str":"/srv/conf/web.conf"},{"name":"syscall_pathname","str":"/etc/web.conf"},{"name":"flags","int32":0}`),
		"inspektor-gadget": gadget(`"exepath":"/usr/bin/busybox","file":"/start.sh","args":"/bin/sh -e /start.sh"`) +
			gadget(`"exepath":"/usr/bin/server","file":"/usr/bin/server","args":"server"`) +
			gadget(`"fname":"/etc/web.conf","fpath":"/srv/conf/web.conf","flags":"O_RDONLY","error_raw":0`),
		"kubescape":                        objects(`{path: /usr/bin/busybox, args: [/bin/sh, -e, /start.sh]}`),
		"kubescape, the first argument":    objects(`{path: /bin/sh, args: [/bin/sh, -e, /start.sh]}`),
		"kubescape, the script as started": objects(`{path: /start.sh, args: [/start.sh]}`),
	}
}

// TestRecordersAgree plans the same run from what each recorder tells of it.
func TestRecordersAgree(t *testing.T) {
	t.Parallel()
	conf := v1.Config{Entrypoint: []string{"/start.sh"}}
	want := []string{
		"bin", "etc/web.conf", "lib", "srv/conf/web.conf", "start.sh", "usr/bin/busybox", "usr/bin/server", "usr/bin/sh",
		"usr/lib/ld-musl-x86_64.so.1", "usr/lib/libssl.so.3",
	}
	for name, text := range recordings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			format, _, _ := strings.Cut(name, ",")
			in, err := foreign.Open("recording", strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			prof, _, err := formats.Import(t.Context(), format, []*foreign.Input{in}, foreign.Options{Complete: true})
			if err != nil {
				t.Fatal(err)
			}
			tr := tree(t, recordedImage, conf)
			pl := newPlan(t, tr, prof, harden.Policy{Level: harden.Files})
			var got []string
			for e := range tr.Entries() {
				if pl.Keeps(e.Path) && e.Type != layers.Dir {
					got = append(got, e.Path)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			bound, absent, err := profile.Bind(prof, harden.Root(tr))
			if err != nil || len(absent) > 0 {
				t.Errorf("absent %+v, %v", absent, err)
			}
			for _, f := range bound.Files {
				if f.Path != "/srv/conf/web.conf" && f.Path != "/start.sh" {
					t.Errorf("bound to %q", f.Path)
				}
			}
		})
	}
}
