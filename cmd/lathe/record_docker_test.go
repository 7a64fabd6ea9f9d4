package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/image"
)

func TestTakeDocker(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line  string
		image string
		want  runFlags
		err   string
	}{
		{line: "docker run web", image: "web"},
		{line: "podman container run --rm -d --name x web:1 serve -p 1", image: "web:1", want: runFlags{command: []string{"serve", "-p", "1"}}},
		{line: "run -e A=1 --env=B=2 -eC=3 web", image: "web", want: runFlags{env: []string{"A=1", "B=2", "C=3"}}},
		{line: "/usr/bin/docker run -p8080:80 -v /a:/b:ro -u 5 -w /srv web", image: "web", want: runFlags{
			publish: []string{"8080:80"}, volumes: []string{"/a:/b:ro"}, user: "5", workdir: "/srv",
		}},
		{line: "docker run -dp 80:80 web", image: "web", want: runFlags{publish: []string{"80:80"}}},
		{line: "docker run --network bridge --entrypoint /bin/x -- web -d", image: "web", want: runFlags{
			network: "nat", entrypoint: "/bin/x", command: []string{"-d"},
		}},
		{line: "docker run --privileged web", err: "--privileged is not known here"},
		{line: "docker run --cap-add NET_ADMIN web", err: "--cap-add is not known here"},
		{line: "docker run -it web", err: "-it is not known"},
		{line: "docker run --network shop web", err: "networks of docker"},
		{line: "docker run -e", err: "needs a value"},
		{line: "docker run -d", err: "names no image"},
		{line: "docker ps", err: "a docker run command"},
		{line: "", err: "a docker run command"},
	} {
		var got runFlags
		image, err := got.takeDocker(strings.Fields(tt.line))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want %q", tt.line, err, tt.err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(runFlags{})); err != nil || image != tt.image || diff != "" {
			t.Errorf("%q: image %q, %v (-want +got):\n%s", tt.line, image, err, diff)
		}
	}
}

// TestDockerImageMissing says of both places that they do not have the image.
func TestDockerImageMissing(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+t.TempDir()+"/none.sock")
	o := &recordOptions{docker: true, image: "127.0.0.1:1/none"}
	ref, err := image.ParseRef(o.image)
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.read(t.Context(), &environment{}, &global{insecure: true, timeout: time.Minute}, ref)
	if err == nil || !strings.Contains(err.Error(), "registry 127.0.0.1:1") || !strings.Contains(err.Error(), "nor was it taken from docker: ") {
		t.Errorf("got %v", err)
	}
}
