package inspektorgadget

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// recordOf is one of a process, with more members.
func recordOf(at, pid int, more string) string {
	return fmt.Sprintf(`{"timestamp_raw":%d,"proc":{"comm":"a","pid":%d,"mntns_id":1,"parent":{"comm":"x","pid":1}},"k8s":{"namespace":"n","podName":"p","containerName":"web"},%s}`+"\n", 1772359200100000000+at, pid, more)
}

// TestExecTraps is where a program lies, who started it, and by what name.
func TestExecTraps(t *testing.T) {
	t.Parallel()
	first := recordOf(0, 1, `"exepath":"/bin/a","parent_exepath":"/usr/bin/containerd-shim-runc-v2"`)
	for name, tc := range map[string]struct{ text, want string }{
		"of the image":      {recordOf(0, 5, `"exepath":"/bin/a","from_rootfs":true`), "/bin/a [child] [image] []"},
		"of a volume":       {recordOf(0, 5, `"exepath":"/bin/a","from_rootfs":false`), "/bin/a [child] [volume] []"},
		"written at run":    {recordOf(0, 5, `"exepath":"/bin/a","from_rootfs":true,"upper_layer":true`), "/bin/a [child] [upper] []"},
		"a script":          {recordOf(0, 5, `"exepath":"/bin/busybox","file":"/start.sh","args":"/bin/sh /start.sh"`), "/bin/busybox [child] [] [/start.sh]"},
		"an applet":         {recordOf(0, 5, `"exepath":"/bin/busybox","file":"/bin/busybox","args":"/bin/wget -q x"`), "/bin/busybox::wget [child] [] []"},
		"the first program": {first, "/bin/a [entrypoint] [] []"},
		"a probe or a person": {
			first + recordOf(1, 9, `"exepath":"/bin/b","parent_exepath":"/usr/bin/runc"`), "/bin/a [entrypoint] [] []; /bin/b [unknown] [] []",
		},
		"a person on a terminal": {
			first + recordOf(1, 9, `"exepath":"/bin/b","parent_exepath":"/usr/bin/runc","tty":34816`), "/bin/a [entrypoint] [] []; /bin/b [attach] [] []",
		},
		"itself": {first + recordOf(1, 9, `"exepath":"/proc/self/exe"`), "/bin/a [entrypoint] [] []"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, x := range mustImport(t, tc.text, foreign.Options{}).Executables {
				got = append(got, fmt.Sprint(x.Key, " ", x.Origin, " ", x.Layer, " ", x.Scripts))
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, "; ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A pid that is used again means another program from then on, and one in another
// container another one at all times.
func TestPIDReuse(t *testing.T) {
	t.Parallel()
	tcp := func(at, pid int, ip string) string {
		return recordOf(at, pid, `"type":"connect","dst":{"addr":"`+ip+`","port":80,"proto":6}`)
	}
	elsewhere := strings.Replace(recordOf(2, 5, `"exepath":"/bin/side"`), `"web"`, `"side"`, 1)
	text := recordOf(0, 5, `"exepath":"/bin/a"`) + tcp(1, 5, "192.0.2.1") + elsewhere + tcp(3, 5, "192.0.2.3") +
		recordOf(4, 5, `"exepath":"/bin/b"`) + tcp(5, 5, "192.0.2.5") + tcp(6, 77, "192.0.2.7")
	p := mustImport(t, text, foreign.Options{Container: "web"})
	var got []string
	for _, c := range p.Network.Connect {
		got = append(got, fmt.Sprint(c.Peer.IP, c.By, c.Attribution))
	}
	want := []string{"192.0.2.1[/bin/a] [process]", "192.0.2.3[/bin/a] [process]", "192.0.2.5[/bin/b] [process]", "192.0.2.7[] [container]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := p.Sources[0]; slices.Contains(s.Observes, profile.ObservesAttribution) {
		t.Errorf("one connection is nobody's, and it observes %v", s.Observes)
	}
}

// Peers are pods and services of the cluster, or addresses; one of a server is no
// connection, one that failed says so.
func TestPeers(t *testing.T) {
	t.Parallel()
	text := recordOf(0, 5, `"exepath":"/bin/a"`) +
		recordOf(1, 5, `"type":"connect","error_raw":111,"dst":{"addr":"10.96.0.1","port":443,"proto":6,"k8s":{"kind":"svc","name":"api","namespace":"shop"}}`) +
		recordOf(2, 5, `"type":"connect","dst":{"addr":"::ffff:192.0.2.1","port":80,"proto":6}`) +
		recordOf(3, 5, `"type":"accept","src":{"addr":"10.0.0.9","port":8080,"proto":6},"dst":{"addr":"10.0.0.1","port":51000,"proto":6,"k8s":{"kind":"pod","name":"lb","namespace":"in","podLabels":"app=lb"}}`) +
		recordOf(4, 5, `"addr":{"addr":"0.0.0.0","port":8080,"proto":6}`)
	p := mustImport(t, text, foreign.Options{})
	var got []string
	for _, c := range p.Network.Connect {
		got = append(got, fmt.Sprint("connect ", c.Peer.IP, " ", c.Port, " ", c.Results, " ", c.Peer.K8s.Kind, c.Peer.K8s.Name))
	}
	for _, a := range p.Network.Accept {
		got = append(got, fmt.Sprint("accept ", a.Port, " ", a.Peer.IP, " ", a.Peer.K8s.Labels))
	}
	for _, l := range p.Network.Listen {
		got = append(got, fmt.Sprint("listen ", l.Proto, " ", l.Port))
	}
	want := []string{
		"connect 10.96.0.1 443 [refused] Serviceapi", "connect 192.0.2.1 80 [established] ",
		"accept 8080 10.0.0.1 map[app:lb]", "listen tcp 8080",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if notes := strings.Join(p.Sources[0].Notes, "\n"); !strings.Contains(notes, "listening ports are those of bind") {
		t.Errorf("notes %q", notes)
	}
}
