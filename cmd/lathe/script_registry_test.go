package main

import (
	"encoding/json"
	"encoding/pem"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lathe-build/lathe/internal/faultregistry"
	"github.com/lathe-build/lathe/sign"
)

// registryCommands run registries on 127.0.0.1 until the tests end:
//
//	registry [-no-referrers] [-no-artifacts] [-tls CAFILE]       its host and port are in $REGISTRY
//	fault METHOD PATH 401|403|500|503-once|hang|corrupt|truncate|reset
//	                                                             requests to the last registry that fail
//	faults-off                                                   no more of them
//	[!] requested METHOD PATH                                    the log has such a request
//	[!] tagged REF                                               a manifest is there; its digest is in $TAGGED
//	registry-tamper REF signature|attestation|manifest           changed such that every digest is right again
//	signatures REF N                                         there are N signatures
//	log-order METHOD PATH METHOD PATH                            the last of the first kind came before the first of the second
func registryCommands(t *testing.T) map[string]func(*testscript.TestScript, bool, []string) {
	t.Helper()
	r := &registries{t: t}
	return map[string]func(*testscript.TestScript, bool, []string){
		"registry": r.start, "fault": fault, "faults-off": faultsOff, "requested": requested, "tagged": tagged, "log-order": logOrder,
		"registry-tamper": registryTamper, "signatures": countSignatures,
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
	handler := registry.New(registry.Logger(quietLog()), registry.WithReferrersSupport(!*noReferrers))
	if *noArtifacts {
		handler = refuseArtifacts(handler)
	}
	server := faultregistry.Wrap(r.t, handler)
	ts.Setenv("REGISTRY", server.Host)
	if *tls != "" {
		secure := httptest.NewTLSServer(server)
		secure.Config.ErrorLog = quietLog()
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

// registryTamper changes what a registry holds for an image.
func registryTamper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: registry-tamper REF WHAT")
	}
	ref, err := name.ParseReference(args[0])
	ts.Check(err)
	desc, err := remote.Head(ref)
	ts.Check(err)
	repo := ref.Context()
	switch args[1] {
	case "manifest":
		img, err := remote.Image(ref)
		ts.Check(err)
		ts.Check(remote.Write(ref, annotated(img)))
	case "signature":
		tag := repo.Tag(sign.SignatureTag(desc.Digest))
		ts.Check(remote.Write(tag, changedEntry(ts, tag, func(add *mutate.Addendum) {
			add.Annotations[signatureNote] = otherSignature(ts, add.Annotations[signatureNote])
		})))
	case "attestation":
		tag := repo.Tag(sign.AttestationTag(desc.Digest))
		ts.Check(remote.Write(tag, changedEntry(ts, tag, func(add *mutate.Addendum) {
			rc, err := add.Layer.Compressed()
			ts.Check(err)
			defer rc.Close()
			var env document
			ts.Check(json.NewDecoder(rc).Decode(&env))
			env["payload"] = otherLevel(ts, env["payload"].(string))
			raw, err := json.Marshal(env)
			ts.Check(err)
			add.Layer = static.NewLayer(raw, add.MediaType)
		})))
	default:
		ts.Fatalf("cannot tamper with %q", args[1])
	}
}

func annotated(img v1.Image) v1.Image {
	out, _ := mutate.Annotations(img, map[string]string{"by": "mallory"}).(v1.Image)
	return out
}

// changedEntry is an image of signatures or attestations with its last one changed.
func changedEntry(ts *testscript.TestScript, ref name.Reference, change func(*mutate.Addendum)) v1.Image {
	img, err := remote.Image(ref)
	ts.Check(err)
	manifest, err := img.Manifest()
	ts.Check(err)
	list, err := img.Layers()
	ts.Check(err)
	last := len(list) - 1
	desc := manifest.Layers[last]
	add := mutate.Addendum{Layer: list[last], MediaType: desc.MediaType, Annotations: desc.Annotations}
	change(&add)
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	out, err := mutate.Append(base, add)
	ts.Check(err)
	return out
}

func countSignatures(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signatures REF N")
	}
	ref, err := name.ParseReference(args[0])
	ts.Check(err)
	desc, err := remote.Head(ref)
	ts.Check(err)
	img, err := remote.Image(ref.Context().Tag(sign.SignatureTag(desc.Digest)))
	ts.Check(err)
	list, err := img.Layers()
	ts.Check(err)
	if got := strconv.Itoa(len(list)); got != args[1] {
		ts.Fatalf("%s has %s signatures, want %s", args[0], got, args[1])
	}
}

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }
