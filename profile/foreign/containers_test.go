package foreign

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

func TestContainers(t *testing.T) {
	t.Parallel()
	web := Subject{Namespace: "prod", Pod: "web-1", Container: "web", ID: "containerd://0123456789abcdef", Image: "img@1"}
	with := func(change func(*Subject)) Subject { s := web; change(&s); return s }
	replica := with(func(s *Subject) { s.Pod, s.ID = "web-2", "containerd://fedcba9876543210" })
	side := with(func(s *Subject) { s.Container = "side" })
	bare := Subject{ID: "0123456789ab"}
	for name, tc := range map[string]struct {
		opts    Options
		stream  []Subject
		n       int // records that were used
		subject profile.Subject
		err     string
		notes   []string
	}{
		"one": {Options{}, []Subject{web, web}, 2, profile.Subject{
			Container: "web", ContainerID: "0123456789abcdef", Workload: profile.Workload{Namespace: "prod", Kind: "Pod", Name: "web-1"},
		}, "", nil},
		"replicas": {Options{}, []Subject{web, replica}, 2, profile.Subject{
			Container: "web", ContainerID: "0123456789abcdef", Workload: profile.Workload{Namespace: "prod"},
		}, "", []string{"the evidence is of 2 pods"}},
		"image known later": {Options{}, []Subject{with(func(s *Subject) { s.Image = "" }), web, with(func(s *Subject) { s.Image = "" })}, 3, profile.Subject{
			Container: "web", ContainerID: "0123456789abcdef", Workload: profile.Workload{Namespace: "prod", Kind: "Pod", Name: "web-1"},
		}, "", nil},
		"another image":  {Options{}, []Subject{web, with(func(s *Subject) { s.Image = "img@2" })}, 0, profile.Subject{}, `it holds 2 containers: choose one with --container, --pod and --namespace: "web" in "prod/web-1" of "img@1", "web" in "prod/web-1" of "img@2"`, nil},
		"two containers": {Options{}, []Subject{web, side}, 0, profile.Subject{}, "it holds 2 containers", nil},
		"by name": {Options{Container: "side"}, []Subject{web, side, {}}, 1, profile.Subject{
			Container: "side", ContainerID: "0123456789abcdef", Workload: profile.Workload{Namespace: "prod", Kind: "Pod", Name: "web-1"},
		}, "", nil},
		"by pod and namespace": {Options{Pod: "web-2", Namespace: "prod"}, []Subject{web, replica}, 1, profile.Subject{
			Container: "web", ContainerID: "fedcba9876543210", Workload: profile.Workload{Namespace: "prod", Kind: "Pod", Name: "web-2"},
		}, "", nil},
		"by id":        {Options{Container: "0123456789abcdef"}, []Subject{bare, {ID: "ffffffffffff"}}, 1, profile.Subject{ContainerID: "0123456789ab"}, "", nil},
		"none of it":   {Options{Container: "x", Namespace: "y"}, []Subject{web}, 0, profile.Subject{}, `no record is of container "x", namespace "y"`, nil},
		"host only":    {Options{}, []Subject{{}, {}}, 2, profile.Subject{}, "", nil},
		"host as well": {Options{}, []Subject{{}, bare, {}}, 1, profile.Subject{ContainerID: "0123456789ab"}, "", []string{"events of the host are left out"}},
		"nothing":      {Options{}, nil, 0, profile.Subject{}, "no record is of a container", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewContainers(tc.opts, func(Subject) *int { return new(int) })
			for _, s := range tc.stream {
				if n := c.Of(s); n != nil {
					*n++
				}
			}
			n, subject, err := c.Chosen()
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("error %v, want %q", err, tc.err)
			}
			if err == nil && *n != tc.n {
				t.Errorf("%d records, want %d", *n, tc.n)
			}
			if diff := cmp.Diff(tc.subject, subject); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.notes, c.Notes()); err == nil && diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestContainerIDs compares the forms in which recorders give the id of one
// container: with the runtime in front, and cut at several lengths.
func TestContainerIDs(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("0123456789abcdef", 4)
	other := "0123456789ac" + whole[12:]
	for _, given := range []string{whole, whole[:12], whole[:15], whole[:24], whole[:31], "containerd://" + whole, "docker://" + whole[:12]} {
		for _, recorded := range []string{whole, whole[:12], whole[:15], whole[:24], whole[:31], "containerd://" + whole, "cri-o://" + whole[:31]} {
			c := NewContainers(Options{Container: given}, func(Subject) *int { return new(int) })
			if c.Of(Subject{ID: other}) != nil || c.Of(Subject{ID: recorded}) == nil {
				t.Errorf("%q does not choose %q alone", given, recorded)
			}
		}
	}
	c := NewContainers(Options{Container: whole[:11]}, func(Subject) *int { return new(int) })
	if c.Of(Subject{ID: whole}) != nil {
		t.Error("eleven digits choose a container")
	}
	if c := NewContainers(Options{Container: whole}, func(Subject) *int { return new(int) }); c.Of(Subject{ID: "0"}) != nil {
		t.Error("an id of one digit is every container's")
	}
}
