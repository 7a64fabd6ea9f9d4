package profile

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files")

const head = `{"apiVersion":"lathe.dev/v1alpha1","kind":"RuntimeProfile"`

func mustRead(t *testing.T, text string) *Profile {
	t.Helper()
	p, err := Read(strings.NewReader(text), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s:\n%s", file, diff)
	}
}

func TestReadExample(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p := mustRead(t, string(data))
	var out bytes.Buffer
	if err := p.Write(&out); err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "example.golden.json", out.Bytes())
	if !json.Valid(out.Bytes()) {
		t.Error("the canonical form is not JSON")
	}
	var text bytes.Buffer
	if err := p.Coverage().Render(&text); err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "example.golden.txt", text.Bytes())
}

func TestReadRoundTrip(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		p := newGenerator(seed).profile()
		want := bytesOf(t, p)
		read := mustRead(t, want)
		if diff := cmp.Diff(want, bytesOf(t, read)); diff != "" {
			t.Fatalf("seed %d: canonical bytes change when read:\n%s", seed, diff)
		}
		if diff := cmp.Diff(mustMerge(t, p), read); diff != "" {
			t.Fatalf("seed %d: reading what was written:\n%s", seed, diff)
		}
	}
}

func TestReadCompressed(t *testing.T) {
	t.Parallel()
	plain := []byte(bytesOf(t, newGenerator(1).profile()))
	var gz, zst bytes.Buffer
	z := gzip.NewWriter(&gz)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := enc.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.JSONToYAML(plain)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"plain": plain, "gzip": gz.Bytes(), "zstd": zst.Bytes(), "yaml": asYAML, "byte order mark": append([]byte("\ufeff"), plain...),
	} {
		p, err := Read(bytes.NewReader(data), Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(string(plain), bytesOf(t, p)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if len(data) > 40 && (name == "gzip" || name == "zstd") {
			if _, err := Read(bytes.NewReader(data[:len(data)-9]), Limits{}); err == nil {
				t.Errorf("%s: a truncated file is read without an error", name)
			}
		}
	}
}

func TestReadYAMLDocumentsMerge(t *testing.T) {
	t.Parallel()
	p := mustRead(t, `# a comment
%%%
apiVersion: lathe.dev/v1alpha1
kind: RuntimeProfile
files:
- {path: /a}
---
# nothing here
--- {apiVersion: lathe.dev/v1alpha1, kind: RuntimeProfile, files: [{path: /b}]}
...
---
apiVersion: lathe.dev/v1alpha1
kind: RuntimeProfile
metadata:
  name: |
    x
     --- y
files: [{path: /a, access: [read]}]
`[len("# a comment\n%%%\n"):])
	want := []File{{Path: "/a", Access: []string{AccessRead}}, {Path: "/b"}}
	if diff := cmp.Diff(want, p.Files); diff != "" {
		t.Error(diff)
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	file := func(entry string) string { return head + `,"files":[` + entry + `]}` }
	edge := func(entry string) string { return head + `,"network":{"connect":[` + entry + `]}}` }
	for name, tc := range map[string]struct{ in, want string }{
		"empty":               {"", "it is empty"},
		"comment only":        {"# nothing\n---\n", "it is empty"},
		"foreign":             {`{"kind":"ApplicationProfile","spec":{},"apiVersion":"spdx/v1beta1"}`, `not a RuntimeProfile of lathe.dev/v1alpha1: it has apiVersion "spdx/v1beta1" and kind "ApplicationProfile"`},
		"foreign yaml":        {"kind: NetworkPolicy\nspec: 1\n", `apiVersion none and kind "NetworkPolicy"`},
		"newer":               {`{"apiVersion":"lathe.dev/v1","kind":"RuntimeProfile"}`, `apiVersion "lathe.dev/v1"`},
		"no kind":             {`{"apiVersion":"lathe.dev/v1alpha1"}`, "kind none"},
		"not an object":       {`[1]`, "is not an object"},
		"unknown field":       {file(`{"path":"/a"},{"path":"/b","acess":[]}`), "files[1].acess: no such field"},
		"case matters":        {file(`{"Path":"/a"}`), "files[0].Path: no such field"},
		"duplicate":           {head + `,"files":[],"files":[]}`, "files: it is given twice"},
		"duplicate in map":    {head + `,"metadata":{"annotations":{"a":"1","a":"2"}}}`, "metadata.annotations.a: it is given twice"},
		"both paths":          {file(`{"path":"/a","pathB64":"L2E="}`), "files[0].pathB64: it is given twice"},
		"bad base64":          {file(`{"pathB64":"?"}`), "files[0].pathB64: not base64"},
		"path object":         {file(`{"path":"/a","via":[{"b65":"L2E="}]}`), "files[0].via[0].b65: no such field"},
		"path object twice":   {file(`{"path":"/a","via":[{"b64":"L2E=","b64":"L2E="}]}`), `files[0].via[0]: a path has no more fields`},
		"trailing":            {head + `} {}`, "after the end"},
		"trailing garbage":    {head + `}x`, "after the end"},
		"early end":           {head + `,"files":[{`, "the document ends early"},
		"syntax":              {head + ",\n\"files\":[\n{,}]}", "line 3: "},
		"yaml syntax":         {"apiVersion: x\nkind: [\n", "line 2: "},
		"second yaml":         {"apiVersion: lathe.dev/v1alpha1\nkind: RuntimeProfile\n---\nfiles: 1\nkind: x\n", "document 2, after line 2"},
		"yaml duplicate":      {"apiVersion: lathe.dev/v1alpha1\nkind: RuntimeProfile\nkind: RuntimeProfile\n", "already set"},
		"number for string":   {file(`{"path":7}`), "files[0].path: 7 is not a string"},
		"null in list":        {file(`{"path":"/a","by":[null]}`), "files[0].by[0]: null is not a string"},
		"string for number":   {edge(`{"port":"443"}`), `network.connect[0].port: "443" is not a whole number`},
		"fraction":            {edge(`{"port":1.5}`), "network.connect[0].port: 1.5 is not a whole number"},
		"list for object":     {head + `,"network":[]}`, "network: a list is not an object"},
		"bad time":            {head + `,"sources":[{"window":{"start":"yesterday"}}]}`, "sources[0].window.start: \"yesterday\" is not a time"},
		"not UTF-8":           {head + ",\n\"x-\":\"\xff\"}", "line 2: it is not UTF-8"},
		"half a surrogate":    {file(`{"path":"/\ud83dx"}`), "half of a surrogate pair"},
		"other half":          {file(`{"path":"/\\\ude00"}`), "half of a surrogate pair"},
		"quoted in errors":    {file("{\"path\":\"/a\",\"\\u001b[2J\":1}"), `files[0]."\x1b[2J": no such field`},
		"relative path":       {file(`{"path":"/a"},{"path":"etc/passwd"}`), `files[1].path: "etc/passwd" is not absolute`},
		"empty path":          {file(`{}`), `files[0].path: "" is not absolute`},
		"NUL":                 {file(`{"path":"/a\u0000"}`), "holds a NUL"},
		"port":                {edge(`{"proto":"tcp","port":70000,"peer":{"ip":"192.0.2.1"}}`), "network.connect[0].port: 70000 is not a port"},
		"unknown access":      {file(`{"path":"/a","access":["reed"]}`), `files[0].access: "reed" is not one of exec, open`},
		"unknown source":      {file(`{"path":"/a","seen":["s-0"]}`), `files[0].seen: "s-0" is not the id of a source`},
		"wrong id":            {head + `,"sources":[{"id":"s-000000000000","kind":"observed"}]}`, `sources[0].id: "s-000000000000" is not the id of this source, which is "s-`},
		"string too long":     {file(`{"path":"/` + strings.Repeat("a", 70000) + `"}`), "files[0].path: a string longer than 65536 bytes"},
		"deep extension":      {head + `,"x-":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}", "more than 100 levels deep"},
		"alias bomb":          {aliasBomb(), "yaml"},
		"gzip without gzip":   {"\x1f\x8b\x00\x00", "decompressing gzip"},
		"second problem":      {file(`{"path":"a"},{"path":"b"}`), `files[1].path: "b"`},
		"too many problems":   {file(strings.Repeat(`{"path":"a"},`, 50) + `{"path":"b"}`), "and more"},
		"several in one line": {edge(`{"proto":"tpc","port":1,"peer":{"ip":"::g"}}`), `network.connect[0].peer.ip: "::g" is not an address`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(strings.NewReader(tc.in), Limits{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is\n%v\nwant\n%s", err, tc.want)
			}
			if err != nil && len(err.Error()) > 8000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func aliasBomb() string {
	var b strings.Builder
	b.WriteString("apiVersion: lathe.dev/v1alpha1\nkind: RuntimeProfile\nx-0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "x-%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 8), i)
	}
	return b.String()
}

func TestReadForeignIsASentinel(t *testing.T) {
	t.Parallel()
	_, err := Read(strings.NewReader(`{"kind":"List","items":[]}`), Limits{})
	if !errors.Is(err, ErrForeign) {
		t.Errorf("the error is %v", err)
	}
}

func TestReadAccepts(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"extensions":     head + `,"x-note":{"a":[1,{"b":null}]},"files":[{"path":"/a","x-y":1}]}`,
		"null sections":  head + `,"files":null,"network":null}`,
		"surrogate pair": head + `,"files":[{"path":"/\ud83d\ude00"}]}`,
		"base64":         head + `,"files":[{"pathB64":"L+k=","via":[{"b64":"L+k="},"/x"]}]}`,
		"yaml numbers":   "apiVersion: lathe.dev/v1alpha1\nkind: RuntimeProfile\nnetwork: {listen: [{proto: tcp, addr: '::', port: 0x50}]}\n",
		"yaml times":     "apiVersion: lathe.dev/v1alpha1\nkind: RuntimeProfile\nsources: [{kind: observed, window: {start: 2026-11-21T20:00:00Z}}]\n",
	} {
		p, err := Read(strings.NewReader(in), Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := mustRead(t, bytesOf(t, p)); !got.Equal(p) {
			t.Errorf("%s: it changes when written and read", name)
		}
	}
}

func TestReadLimits(t *testing.T) {
	t.Parallel()
	doc := head + `,"files":[{"path":"/a","access":["open","read"]},{"path":"/b"}]}`
	for name, tc := range map[string]struct {
		lim  Limits
		want string
	}{
		"bytes":   {Limits{Bytes: 50}, "larger than 50 bytes"},
		"entries": {Limits{Entries: 1}, "files[1]: more than 1 entries"},
		"values":  {Limits{Values: 2}, "files[0].access[1]: more than 2 values"},
		"strings": {Limits{StringBytes: 3}, "longer than 3 bytes"},
	} {
		if _, err := Read(strings.NewReader(doc), tc.lim); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
	two := "a: 1\n---\nb: 1\n"
	if _, err := Read(strings.NewReader(two), Limits{Documents: 1}); err == nil || !strings.Contains(err.Error(), "more than 1 documents") {
		t.Errorf("documents: the error is %v", err)
	}
	if _, err := Read(strings.NewReader(two), Limits{YAMLBytes: 5}); err == nil || !strings.Contains(err.Error(), "larger than 5 bytes") {
		t.Errorf("YAML: the error is %v", err)
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 100 {
		if _, err := z.Write(make([]byte, 1<<16)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(&bomb, Limits{Bytes: 1 << 20}); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("a compressed bomb: %v", err)
	}
}

func TestMarshalJSON(t *testing.T) {
	t.Parallel()
	p := newGenerator(3).profile()
	data, err := json.Marshal(map[string]any{"profile": p, "path": Path("/\xe9"), "text": Path("/é")})
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Profile *Profile `json:"profile"`
		Path    Path     `json:"path"`
		Text    Path     `json:"text"`
	}
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !back.Profile.Equal(p) || back.Path != "/\xe9" || back.Text != "/é" {
		t.Errorf("%q %q or the profile changed", back.Path, back.Text)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(head + `,"files":[{"path":"/a","seen":[]},{"pathB64":"L+k="}]}`))
	f.Add([]byte(head + `,"network":{"connect":[{"proto":"tcp","port":1,"peer":{"ip":"::1"}}]},"x-a":[{}]}`))
	f.Add([]byte("apiVersion: lathe.dev/v1alpha1\nkind: RuntimeProfile\nfiles: [{path: /a}]\n---\n"))
	f.Add([]byte(head + `,"sources":[{"kind":"observed","window":{"start":"2026-11-21T20:00:00.5+02:00"}}]}`))
	f.Add([]byte("\x1f\x8b\x08"))
	example, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Read(bytes.NewReader(data), Limits{Bytes: 1 << 16, Entries: 1000, Values: 5000})
		if err != nil {
			return
		}
		first := bytesOf(t, p)
		again := mustRead(t, first)
		if second := bytesOf(t, again); first != second {
			t.Errorf("canonical bytes change when read:\n%s\n%s", first, second)
		}
		_ = p.Coverage()
	})
}
