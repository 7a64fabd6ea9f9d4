package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

// TestTotals: a report whose numbers disagree with the image is refused.
func TestTotals(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Input){
		"input bytes":      func(in *Input) { in.Before.Contents.Bytes++ },
		"input entries":    func(in *Input) { in.Before.Contents.Entries-- },
		"output bytes":     func(in *Input) { in.After.Contents.Bytes-- },
		"output entries":   func(in *Input) { in.After.Contents.Entries++ },
		"carried":          func(in *Input) { in.Before.Contents.Carried = 1 },
		"carried, less":    func(in *Input) { in.Before.Contents.Carried = -1 },
		"carried, more":    func(in *Input) { in.Before.Contents.Carried = in.Before.Contents.Bytes },
		"lost record":      func(in *Input) { in.Plan.Records = lessOne(in.Plan.Records) },
		"unknown action":   func(in *Input) { spoilRecord(in, func(r *harden.Record) { r.Action = "shrink" }) },
		"no action":        func(in *Input) { spoilRecord(in, func(r *harden.Record) { r.Action = "" }) },
		"size of a record": func(in *Input) { spoilRecord(in, func(r *harden.Record) { r.Size++ }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := webInput(harden.Binaries)
			if _, err := New(webJob(), in); err != nil {
				t.Fatal(err)
			}
			spoil(&in)
			if _, err := New(webJob(), in); !errors.Is(err, ErrTotals) {
				t.Errorf("got %v, want ErrTotals", err)
			}
		})
	}
}

func spoilRecord(in *Input, how func(*harden.Record)) {
	r := in.Plan.Records.At(3)
	how(&r)
	in.Plan.Records.Set(3, r)
}

func lessOne(list harden.Records) (less harden.Records) {
	for i, r := range list.All() {
		if i > 0 {
			less.Append(r)
		}
	}
	return less
}

func TestNewNeedsPlanAndProfile(t *testing.T) {
	t.Parallel()
	for _, in := range []Input{{Plan: &harden.Plan{}}, {Profile: &profile.Profile{}}} {
		if _, err := New(Job{}, in); err == nil {
			t.Errorf("%+v: no error", in)
		}
	}
}

func TestNextLevel(t *testing.T) {
	t.Parallel()
	in := webInput(harden.Binaries)
	r, err := New(webJob(), in)
	if err != nil {
		t.Fatal(err)
	}
	then, err := New(webJob(), webInput(harden.Packages))
	if err != nil {
		t.Fatal(err)
	}
	now, next := r.Platforms[0].After, then.Platforms[0].After
	want := &Gain{
		Level: "packages", Bytes: now.Bytes - next.Bytes, Files: now.Files - next.Files,
		Packages: now.Packages - next.Packages, Executables: now.Executables - next.Executables,
	}
	if diff := cmp.Diff(want, r.Platforms[0].Next); diff != "" {
		t.Errorf("gain (-want +got):\n%s", diff)
	}
	if want.Bytes <= 0 || want.Packages <= 0 {
		t.Errorf("the test's levels gain nothing: %+v", want)
	}
	if r.Level != "binaries" {
		t.Errorf("level %q", r.Level)
	}
}

func TestJSONIsStable(t *testing.T) {
	t.Parallel()
	encode := func() []byte {
		r, err := New(webJob(), webInput(harden.Packages))
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.JSON()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := encode()
	for range 20 {
		if !bytes.Equal(first, encode()) {
			t.Fatal("the same plan gave another report")
		}
	}
	var back Report
	if err := json.Unmarshal(first, &back); err != nil {
		t.Fatal(err)
	}
	again, err := back.JSON()
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("read and written again the report is another one (%v)", err)
	}
}

func TestUse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		want   string
		kind   harden.Kind
		from   string
		phases []string
	}{
		{UseServing, harden.Executed, "", []string{"serving", "startup"}},
		{UseStartup, harden.Executed, "", []string{"startup"}},
		{UseShutdown, harden.Executed, "", []string{"shutdown"}},
		{UseStarting, harden.Executed, "", []string{"shutdown", "startup"}},
		{UseRan, harden.Executed, "", nil},
		{UseConfig, harden.Config, "", nil},
		{UseRule, harden.KeepRule, "", nil},
		{UseNeeded, harden.Interpreter, "entry.sh", nil},
		{UseOther, harden.Unowned, "", nil},
	} {
		got := useOf(&harden.Tool{Reason: harden.Reason{Kind: tt.kind, From: tt.from}, Phases: tt.phases})
		if got != tt.want {
			t.Errorf("%s %v: %q, want %q", tt.kind, tt.phases, got, tt.want)
		}
	}
}

// TestPacks: what a pack costs is also what stays only because of its files.
func TestPacks(t *testing.T) {
	t.Parallel()
	d := &draft{}
	d.keep("etc/ssl/certs/a.pem", "data", 100, harden.Pack, "", "certificates")
	d.keep("opt/a.pem", "data", 50, harden.Link, "etc/ssl/certs/a.pem", "")
	d.keep("opt/b.pem", "data", 7, harden.Link, "opt/a.pem", "")
	d.keep("a", "data", 1, harden.Link, "b", "")
	d.keep("b", "data", 1, harden.Link, "a", "")
	d.drop("etc/ssl/certs/b.pem", "data", 1000, harden.Pack, "", "certificates")
	v := newView(&Input{Plan: &d.plan})
	want := []Group{{Kind: harden.Pack, Text: "certificates", Amount: Amount{Entries: 3, Bytes: 157}}}
	if diff := cmp.Diff(want, v.packs()); diff != "" {
		t.Errorf("packs (-want +got):\n%s", diff)
	}
	if n := len(v.explain("a")); n != 2 {
		t.Errorf("a circle of reasons has %d steps, want 2", n)
	}
}

func TestExplainNothing(t *testing.T) {
	t.Parallel()
	if err := Explain(io.Discard, nil); !errors.Is(err, ErrNoPath) {
		t.Errorf("got %v, want ErrNoPath", err)
	}
	if _, err := ExplainJSON(nil); !errors.Is(err, ErrNoPath) {
		t.Errorf("got %v, want ErrNoPath", err)
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	r, err := New(webJob(), webInput(harden.Packages))
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"terminal": r.Terminal(brokenWriter{}, Style{}),
		"markdown": r.Markdown(brokenWriter{}),
		"explain":  Explain(brokenWriter{}, []harden.Decision{{Path: "a"}}),
	} {
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestEveryReasonHasText: no kind of reason is shown as a bare word of the plan.
func TestEveryReasonHasText(t *testing.T) {
	t.Parallel()
	for kind, text := range kindTexts() {
		if !strings.Contains(text, " ") && text != "ran" && text != "interpreters" {
			t.Errorf("%s: %q", kind, text)
		}
		for _, keep := range []bool{true, false} {
			for _, from := range []string{"", "a/b"} {
				for _, note := range []string{"", "a note"} {
					got := because(harden.Reason{Kind: kind, From: from, Note: note}, keep)
					if got == "" || got == string(kind) {
						t.Errorf("%s keep=%v from=%q note=%q: %q", kind, keep, from, note, got)
					}
				}
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 999: "999 B", 1000: "1.0 kB", 1050: "1.1 kB", 99_949: "99.9 kB", 100_000: "0.1 MB", 949_999: "0.9 MB",
		950_000: "1.0 MB", 24_849_999: "24.8 MB", 24_850_000: "24.9 MB", 1_234_560_000: "1,234.6 MB",
		-5: "-5 B", -2_000_000: "-2.0 MB", math.MaxInt64: "9,223,372,036,854.8 MB", math.MinInt64: "-4,611,686,018,427.4 MB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1_002_003: "1,002,003", -4500: "-4,500"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
	for _, tt := range []struct {
		before, after int64
		want          string
	}{
		{100, 50, "-50.0 %"},
		{100, 0, "-100.0 %"},
		{100_000, 1, "-99.9 %"},
		{100, 110, "+10.0 %"},
		{0, 5, ""},
		{0, 0, "="},
		{7, 7, "="},
	} {
		if got := change(tt.before, tt.after); got != tt.want {
			t.Errorf("change(%d, %d) = %q, want %q", tt.before, tt.after, got, tt.want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{
		{"/usr/bin/x", 20, "/usr/bin/x"},
		{"/usr/lib/x86_64-linux-gnu/libc.so.6", 20, "/usr/lib/x86_…ibc.so.6"},
		{"漢字漢字漢字漢字", 9, "漢字漢…字"},
	} {
		got := cut(tt.text, tt.width)
		if columns(got) > tt.width || !strings.Contains(got, "…") && got != tt.text {
			t.Errorf("cut(%q, %d) = %q, %d columns", tt.text, tt.width, got, columns(got))
		}
	}
	if got := cutEnd("because of this and that", 12); got != "because of …" {
		t.Errorf("cutEnd gave %q", got)
	}
}

// TestTerminalFits: tables stay within the screen, at any width, and the report
// is short.
func TestTerminalFits(t *testing.T) {
	t.Parallel()
	r, err := New(webJob(), webInput(harden.Packages))
	if err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{0, 1, 60, 80, 100, 200} {
		var b bytes.Buffer
		if err := r.Terminal(&b, Style{Width: width}); err != nil {
			t.Fatal(err)
		}
		limit := max(width, minWidth)
		if width == 0 {
			limit = defaultWidth
		}
		lines := strings.Split(b.String(), "\n")
		for _, l := range lines {
			if columns(l) > limit && !strings.Contains(l, "cosign verify") && !strings.Contains(l, "level packages") {
				t.Errorf("width %d: %d columns: %s", width, columns(l), l)
			}
		}
		if limit >= defaultWidth && len(lines) > 64 {
			t.Errorf("width %d: %d lines", width, len(lines))
		}
		if strings.Contains(b.String(), "\x1b") {
			t.Errorf("width %d: colours although none were asked for", width)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "/usr/bin/sh", "a\x1b[31mb", "a\nb", "\xff", "`", "|", " x ", "\\", "www.x", "\u202e", "e\u0301", "a://b", "- x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		plain, span, text := escape(s), code(s), prose(s)
		for _, got := range []string{plain, span, text} {
			if !utf8.ValidString(got) {
				t.Errorf("%q: %q is not UTF-8", s, got)
			}
			for _, r := range got {
				if r < ' ' || r == 0x7f || r >= 0x80 && !visible(r) {
					t.Errorf("%q: %q has %q", s, got, r)
				}
			}
		}
		if s != "" {
			if inner := span[1 : len(span)-1]; strings.ContainsAny(inner, "`|") || inner[0] == ' ' || inner[len(inner)-1] == ' ' {
				t.Errorf("%q: %s is no code span of its own", s, span)
			}
		}
		for i := range len(text) {
			if strings.IndexByte("`*_[]<>#|~&@$", text[i]) >= 0 && (i == 0 || text[i-1] != '\\') {
				t.Errorf("%q: %s has markup at %d", s, text, i)
			}
		}
		if got := unescape(t, plain); got != s {
			t.Errorf("%q: %q reads back as %q", s, plain, got)
		}
	})
}

// unescape is the inverse of escape: two names never look the same.
func unescape(t *testing.T, s string) string {
	t.Helper()
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		i++
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
		var n rune
		for _, h := range s[i+1 : i+1+digits] {
			n = n<<4 | rune(strings.IndexRune("0123456789abcdef", h))
		}
		switch s[i] {
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case '\\':
			b = append(b, '\\')
		case 'x':
			b = append(b, byte(n))
		default:
			b = utf8.AppendRune(b, n)
		}
		i += digits
	}
	return string(b)
}
