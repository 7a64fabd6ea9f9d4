package main

import (
	"encoding/pem"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lathe-build/lathe/internal/faultregistry"
)

// registryCommands run registries on 127.0.0.1 until the tests end:
//
//	registry [-no-referrers] [-no-artifacts] [-tls CAFILE]       its host and port are in $REGISTRY
//	fault METHOD PATH STATUS|hang|corrupt|truncate|reset [SKIP]  requests to the last registry that fail
//	faults-off                                                   no more of them
//	[!] requested METHOD PATH                                    the log has such a request
//	[!] tagged REF                                               a manifest is there; its digest is in $TAGGED
//	log-order METHOD PATH METHOD PATH                            the last of the first kind came before the first of the second
func registryCommands(t *testing.T) map[string]func(*testscript.TestScript, bool, []string) {
	t.Helper()
	r := &registries{t: t}
	return map[string]func(*testscript.TestScript, bool, []string){
		"registry": r.start, "fault": fault, "faults-off": faultsOff, "requested": requested, "tagged": tagged, "log-order": logOrder,
	}
}

type registries struct{ t *testing.T }

type serverKey struct{}

func (r *registries) start(ts *testscript.TestScript, neg bool, args []string) {
	set := flag.NewFlagSet("registry", flag.ContinueOnError)
	noReferrers := set.Bool("no-referrers", false, "")
	noArtifacts := set.Bool("no-artifacts", false, "")
	tls := set.String("tls", "", "")
	ts.Check(set.Parse(args))
	if neg || set.NArg() > 0 {
		ts.Fatalf("usage: registry [-no-referrers] [-no-artifacts] [-tls CAFILE]")
	}
	var handler http.Handler = registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(!*noReferrers))
	if *noArtifacts {
		handler = refuseArtifacts(handler)
	}
	server := faultregistry.Wrap(r.t, handler)
	ts.Setenv("REGISTRY", server.Host)
	if *tls != "" {
		secure := httptest.NewTLSServer(server)
		secure.Config.ErrorLog = log.New(io.Discard, "", 0)
		ts.Defer(secure.Close)
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
		ts.Check(os.WriteFile(ts.MkAbs(*tls), ca, 0o600))
		ts.Setenv("REGISTRY", strings.TrimPrefix(secure.URL, "https://"))
	}
	servers, _ := ts.Value(serverKey{}).(*[]*faultregistry.Server)
	*servers = append(*servers, server)
}

// refuseArtifacts answers manifests with an artifact type as a registry does that
// knows only images.
func refuseArtifacts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), `"artifactType"`) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, `{"errors":[{"code":"MANIFEST_INVALID","message":"unknown media type"}]}`)
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
		}
		next.ServeHTTP(w, r)
	})
}

func current(ts *testscript.TestScript) *faultregistry.Server {
	servers, _ := ts.Value(serverKey{}).(*[]*faultregistry.Server)
	if servers == nil || len(*servers) == 0 {
		ts.Fatalf("no registry was started")
	}
	return (*servers)[len(*servers)-1]
}

func fault(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: fault METHOD PATH STATUS|hang|corrupt|truncate|reset")
	}
	f := faultregistry.Fault{Method: args[0], Path: args[1]}
	switch args[2] {
	case "hang":
		f.Action = faultregistry.Hang
	case "corrupt":
		f.Action = faultregistry.Corrupt
	case "truncate":
		f.Action = faultregistry.Truncate
	case "reset":
		f.Action = faultregistry.ResetEarly
	case "401":
		f.Status, f.Body = 401, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`
	case "403":
		f.Status, f.Body = 403, `{"errors":[{"code":"DENIED","message":"requested access is denied"}]}`
	case "500":
		f.Status, f.Body = 500, "oops"
	case "503-once":
		f.Status, f.Count, f.RetryAfter = 503, 1, "0"
	default:
		ts.Fatalf("unknown fault %q", args[2])
	}
	current(ts).Add(f)
}

func faultsOff(ts *testscript.TestScript, _ bool, _ []string) { current(ts).Clear() }

func find(ts *testscript.TestScript, method, pattern string) (first, last int) {
	path, err := regexp.Compile(pattern)
	ts.Check(err)
	first, last = -1, -1
	for i, r := range current(ts).Log() {
		if r.Method == method && path.MatchString(r.Path) {
			if last = i; first < 0 {
				first = i
			}
		}
	}
	return first, last
}

func requested(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] requested METHOD PATH")
	}
	if first, _ := find(ts, args[0], args[1]); (first >= 0) == neg {
		ts.Fatalf("requests: %v", current(ts).Log())
	}
}

func logOrder(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: log-order METHOD PATH METHOD PATH")
	}
	_, before := find(ts, args[0], args[1])
	after, _ := find(ts, args[2], args[3])
	if before < 0 || after < 0 || before >= after {
		ts.Fatalf("%s %s is request %d, %s %s is request %d: %v", args[0], args[1], before, args[2], args[3], after, current(ts).Log())
	}
}

func tagged(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] tagged REF")
	}
	ref, err := name.ParseReference(args[0])
	ts.Check(err)
	desc, err := remote.Head(ref)
	if (err == nil) == neg {
		ts.Fatalf("%s: %v, %v", args[0], desc, err)
	}
	if err == nil {
		ts.Setenv("TAGGED", desc.Digest.String())
	}
}
