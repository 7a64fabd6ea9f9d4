package formats

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/lathe-build/lathe/profile/foreign"
)

// claimed is what docs/recipes/README.md says that a recorder observes with its
// recipe.
func claimed(t *testing.T, recorder string) []string {
	t.Helper()
	text := read(t, filepath.Join("..", "..", "docs", "recipes", "README.md"))
	row := regexp.MustCompile(`(?m)^\| ` + recorder + " \\| `([a-z0-9., ]+)` \\|$").FindSubmatch(text)
	if row == nil {
		t.Fatalf("the page has no row of what %s observes", recorder)
	}
	return strings.Split(string(row[1]), ", ")
}

func observed(t *testing.T, format, text string) []string {
	t.Helper()
	p, _, err := Import(t.Context(), format, []*foreign.Input{open(t, "log", []byte(text))}, foreign.Options{Container: "web", Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range p.Sources[0].Notes {
		if strings.HasPrefix(note, "skipped") || strings.Contains(note, "are not used") || strings.Contains(note, "presence only") {
			t.Errorf("%s: %s", format, note)
		}
	}
	return p.Sources[0].Observes
}

// tracingPolicy is what the recipe uses of Tetragon's TracingPolicy.
type tracingPolicy struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Kprobes []struct {
			Call      string        `json:"call"`
			Syscall   bool          `json:"syscall"`
			Return    bool          `json:"return"`
			ReturnArg *hookedValue  `json:"returnArg"`
			Args      []hookedValue `json:"args"`
		} `json:"kprobes"`
	} `json:"spec"`
}

type hookedValue struct {
	Index int    `json:"index"`
	Type  string `json:"type"`
}

// value is one as Tetragon prints a value of a type that a policy names.
func (v hookedValue) value(t *testing.T) string {
	t.Helper()
	text, ok := map[string]string{
		"file": `"file_arg":{"path":"/etc/x"}`, "linux_binprm": `"linux_binprm_arg":{"path":"/bin/a"}`,
		"int": `"int_arg":0`, "uint32": `"uint_arg":5`, "string": `"string_arg":"/etc/x"`, "capability": `"capability_arg":{"name":"CAP_CHOWN"}`,
		"sock": `"sock_arg":{"protocol":"IPPROTO_TCP","saddr":"10.0.0.9","sport":80,"daddr":"192.0.2.1","dport":80}`,
	}[v.Type]
	if !ok {
		t.Errorf("no policy has values of the type %q", v.Type)
	}
	return "{" + text + "}"
}

// TestTetragonObserves makes an event of every hook of the recipe.
func TestTetragonObserves(t *testing.T) {
	t.Parallel()
	pod := `"pod":{"namespace":"n","name":"p","container":{"name":"web","id":"c://0123456789ab","pid":9}}`
	log := `{"process_exec":{"process":{"binary":"/bin/a",` + pod + `}},"time":"2026-03-01T10:00:00Z"}` + "\n"
	for _, doc := range regexp.MustCompile(`(?m)^---$`).Split(string(read(t, filepath.Join("..", "..", "docs", "recipes", "tetragon.yaml"))), -1) {
		var policy tracingPolicy
		if err := yaml.UnmarshalStrict([]byte(doc), &policy); err != nil {
			t.Fatal(err)
		}
		if policy.APIVersion != "cilium.io/v1alpha1" || policy.Kind != "TracingPolicy" {
			t.Errorf("a %q of %q", policy.Kind, policy.APIVersion)
		}
		for _, k := range policy.Spec.Kprobes {
			if k.Return != (k.ReturnArg != nil) || len(k.Args) == 0 && k.ReturnArg == nil {
				t.Errorf("%s: returns %v, %+v", k.Call, k.Return, k.ReturnArg)
			}
			call := k.Call
			if k.Syscall {
				call = "__x64_" + call
			}
			var args []string
			for _, arg := range k.Args {
				args = append(args, arg.value(t))
			}
			result := ""
			if k.ReturnArg != nil {
				result = `,"return":` + k.ReturnArg.value(t)
			}
			log += fmt.Sprintf(`{"process_kprobe":{"process":{"binary":"/bin/a","cwd":"/",%s},"function_name":%q,"policy_name":%q,"args":[%s]%s},"time":"2026-03-01T10:00:00Z"}`+"\n",
				pod, call, policy.Metadata.Name, strings.Join(args, ","), result)
		}
	}
	if diff := cmp.Diff(claimed(t, "Tetragon"), observed(t, "tetragon", log)); diff != "" {
		t.Errorf("the page says less or more (-page +import):\n%s", diff)
	}
}

// TestTraceeObserves makes an event of every rule of the recipe.
func TestTraceeObserves(t *testing.T) {
	t.Parallel()
	var policy struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name        string            `json:"name"`
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
		Spec struct {
			Scope []string `json:"scope"`
			Rules []struct {
				Event string `json:"event"`
			} `json:"rules"`
		} `json:"spec"`
	}
	if err := yaml.UnmarshalStrict(read(t, filepath.Join("..", "..", "docs", "recipes", "tracee.yaml")), &policy); err != nil {
		t.Fatal(err)
	}
	if policy.APIVersion != "tracee.aquasec.com/v1beta1" || !slices.Equal(policy.Spec.Scope, []string{"container=new"}) {
		t.Errorf("%+v", policy)
	}
	const data = `{"name":"pathname","str":"/etc/x"},{"name":"returnValue","int32":0},{"name":"cap","str":"CAP_CHOWN"},{"name":"protocol","int32":17},` +
		`{"name":"remote_addr","sockaddr":{"sa_family":"AF_INET","sin_addr":"192.0.2.1","sin_port":80}},` +
		`{"name":"local_addr","sockaddr":{"sa_family":"AF_INET","sin_addr":"0.0.0.0","sin_port":80}},` +
		`{"name":"conn_direction","str":"outgoing"},{"name":"dst","str":"192.0.2.1"},{"name":"src_port","uint32":4},{"name":"dst_port","uint32":80}`
	log := ""
	for _, r := range policy.Spec.Rules {
		log += fmt.Sprintf(`{"timestamp":"2026-03-01T10:00:00Z","name":%q,"workload":{"process":{"unique_id":9,"pid":1,"executable":{"path":"/bin/a"}},"container":{"id":"0123456789ab","name":"web"}},"data":[%s]}`+"\n", r.Event, data)
	}
	if diff := cmp.Diff(claimed(t, "Tracee"), observed(t, "tracee", log)); diff != "" {
		t.Errorf("the page says less or more (-page +import):\n%s", diff)
	}
}

// TestGadgetsObserve makes the records of every gadget of the recipe.
func TestGadgetsObserve(t *testing.T) {
	t.Parallel()
	records := map[string][]string{
		"trace_exec":         {`"exepath":"/bin/a"`, `"exepath":"","args":"/bin/none","error_raw":2`},
		"trace_open":         {`"fname":"/x","fpath":"/x","error_raw":0`, `"fname":"/y","error_raw":2`},
		"trace_tcp":          {`"type":"connect","dst":{"addr":"192.0.2.1","port":80,"proto":6}`},
		"trace_bind":         {`"addr":{"addr":"0.0.0.0","port":80,"proto":6}`},
		"trace_dns":          {`"name":"x.example.","qr":"Q","qtype":"A"`},
		"trace_sni":          {`"name":"x.example"`},
		"trace_capabilities": {`"cap":"CAP_CHOWN","capable":true`},
	}
	log := ""
	for _, run := range regexp.MustCompile(`ig run (\w+)`).FindAllSubmatch(read(t, filepath.Join("..", "..", "docs", "recipes", "README.md")), -1) {
		for _, members := range records[string(run[1])] {
			log += `{"timestamp_raw":1772359200100000000,"proc":{"comm":"a","pid":5,"mntns_id":1},"runtime":{"containerName":"web"},` + members + "}\n"
		}
	}
	if diff := cmp.Diff(claimed(t, "Inspektor Gadget"), observed(t, "inspektor-gadget", log)); diff != "" {
		t.Errorf("the page says less or more (-page +import):\n%s", diff)
	}
}

// TestStraceObserves is a log in which nothing is filtered, as the recipe makes
// it. Names show where somebody asked for one.
func TestStraceObserves(t *testing.T) {
	t.Parallel()
	log := `7 1700000000.000001 execve("/app/a", ["a"], 0x7ffc /* 3 vars */) = 0
7 1700000000.000002 brk(NULL) = 0x55
7 1700000000.000003 access("/etc/ld.so.preload", R_OK) = -1 ENOENT (No such file or directory)
7 1700000000.000004 openat(AT_FDCWD</>, "/lib/l.so", O_RDONLY|O_CLOEXEC) = 3</usr/lib/l.so>
7 1700000000.000005 read(3</usr/lib/l.so>, "x", 1) = 1
7 1700000000.000006 mprotect(0x7f00, 4096, PROT_READ) = 0
7 1700000000.000007 munmap(0x7f00, 4096) = 0
7 1700000000.000008 close(3</usr/lib/l.so>) = 0
7 1700000000.000009 set_tid_address(0x7f00) = 7
7 1700000000.000010 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 3<UDP:[1]>
7 1700000000.000011 connect(3<UDP:[1]>, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.53")}, 16) = 0
7 1700000000.000012 sendto(3<UDP:[10.0.0.9:4->10.0.0.53:53]>, "\1\2\1\0\0\1\0\0\0\0\0\0\1x\7example\0\0\1\0\1", 27, 0, NULL, 0) = 27
7 1700000000.000013 exit_group(0) = ?
`
	if diff := cmp.Diff(claimed(t, "strace"), observed(t, "strace", log)); diff != "" {
		t.Errorf("the page says less or more (-page +import):\n%s", diff)
	}
}

// TestSecrets wants none of what arguments and environments hold in a profile,
// nor in what is said of records that are damaged.
func TestSecrets(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-of-the-vault"
	pod := `"pod":{"namespace":"n","name":"p","container":{"name":"web","id":"c://0123456789ab","pid":1}}`
	head := "apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1\nkind: ApplicationProfile\n"
	for name, text := range map[string]string{
		"strace": `7 execve("/app/a", ["/app/a", "--password=SECRET"], ["TOKEN=SECRET"]) = 0
7 write(1</x>, "SECRET", 20) = 20
7 open("/cut", SECRET
7 SECRET
7 <... SECRET resumed>) = 3
`,
		"tetragon":         `{"process_exec":{"process":{"binary":"/bin/a","arguments":"--password=SECRET",` + pod + `,"environment_variables":[{"key":"T","value":"SECRET"}]}},"time":"2026-03-01T10:00:00Z"}` + "\n" + `{"process_exec":{"process":{"binary":["SECRET"]}}}` + "\n" + `{"process_exec": SECRET}` + "\n",
		"tracee":           `{"timestamp":"2026-03-01T10:00:00Z","name":"sched_process_exec","workload":{"process":{"unique_id":9,"pid":1},"container":{"id":"0123456789ab","name":"web"}},"data":[{"name":"pathname","str":"/bin/a"},{"name":"argv","str_array":{"value":["/bin/a","SECRET"]}},{"name":"env","str_array":{"value":["T=SECRET"]}}]}` + "\n{SECRET}\n",
		"inspektor-gadget": `{"timestamp_raw":1772359200100000000,"proc":{"comm":"a","pid":5,"mntns_id":1},"runtime":{"containerName":"web"},"exepath":"/bin/a","args":"/bin/a --password=SECRET"}` + "\n" + `{"proc":{"comm":["SECRET"]}}` + "\n",
		"kubescape":        head + "spec: {containers: [{name: web, execs: [{path: /bin/a, args: [/bin/a, SECRET], envs: [T=SECRET]}], endpoints: [{endpoint: ':80/SECRET', headers: {authorization: [SECRET]}}]}]}\n---\n" + head + "SECRET: [\n",
		"manifest":         "kind: Pod\napiVersion: v1\nspec: {containers: [{name: web, command: [/bin/a, --password, SECRET], env: [{name: T, value: SECRET}], livenessProbe: {exec: {command: [curl, 'http://u:SECRET@localhost/ok?token=SECRET']}}}]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := open(t, "log", []byte(strings.ReplaceAll(text, "SECRET", secret)))
			p, _, err := Import(t.Context(), name, []*foreign.Input{in}, foreign.Options{Container: "web"})
			if err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if i := strings.Index(string(data), secret); i >= 0 || len(p.Executables) == 0 {
				t.Errorf("it holds %s", data[max(0, i-100):])
			}
		})
	}
}
