package harden

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

// TestPhasesOfUse: what is started at startup and answers later serves, too; a
// tool of the start script does not.
func TestPhasesOfUse(t *testing.T) {
	t.Parallel()
	startup, serving := []string{profile.PhaseStartup}, []string{profile.PhaseServing}
	got := phasesOfUse(&profile.Profile{
		Executables: []profile.Executable{
			{Key: "/usr/bin/python3", Phase: startup}, {Key: "/bin/busybox::id", Phase: startup}, {Key: "/usr/bin/worker", Phase: startup}, {Key: "/usr/bin/cron", Phase: startup},
		},
		Files: []profile.File{
			{Path: "/etc/passwd", By: []string{"/bin/busybox::id", "/usr/bin/python3"}, Phase: startup},
			{Path: "/app/late.py", By: []string{"/usr/bin/worker"}, Phase: serving},
			{Path: "/lib/libc.so.6", By: []string{"/bin/busybox::id", "/usr/bin/python3"}, Phase: []string{profile.PhaseStartup, profile.PhaseServing}},
			{Path: "/etc/hosts", Phase: serving},
		},
		Network: profile.Network{
			Listen:  []profile.Listen{{Port: 80, By: []string{"/usr/bin/python3"}, Phase: startup}},
			Accept:  []profile.Accept{{Port: 80, By: []string{"/usr/bin/python3"}, Phase: serving}},
			Connect: []profile.Connect{{Port: 25, By: []string{"/usr/bin/cron"}, Phase: []string{profile.PhaseShutdown}}},
		},
	})
	want := map[string][]string{
		"/usr/bin/python3": {"startup", "serving"}, "/bin/busybox::id": startup, "/usr/bin/worker": {"startup", "serving"}, "/usr/bin/cron": {"startup", "shutdown"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
