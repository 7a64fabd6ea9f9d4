package foreign

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestObjects(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text  string
		want  []string
		notes []string
	}{
		"documents": {
			"apiVersion: v1\nkind: A\nmetadata: {name: x}\n---\n# nothing\n---\nkind: B\n", []string{"1 v1 A x", "6  B "}, nil,
		},
		"list": {
			"kind: List\nitems:\n- kind: A\n- kind: B\n  metadata: {name: z}\n", []string{"1  A ", "1  B z"}, nil,
		},
		"list in list":     {`{"kind":"AList","items":[{"kind":"List","items":[{"kind":"B"}]}]}`, []string{"1  B "}, nil},
		"no items":         {`{"kind":"AllowList","spec":1}`, []string{"1  AllowList "}, nil},
		"storage's names":  {`{"Kind":"A","Metadata":{"Name":"x"}}`, []string{"1  A x"}, nil},
		"lines":            {"{\"kind\":\"A\"}\n{\"kind\":\"B\"}", []string{"1  A ", "2  B "}, nil},
		"a broken one":     {"kind: A\n---\nkind: [\n---\nkind: B\n", []string{"1  A ", "4  B "}, []string{`skipped "f", line 3: did not find`}},
		"of another shape": {"kind: A\n---\n- a\n", []string{"1  A "}, []string{`skipped "f", line 2: an array does not fit`}},
		"too deep":         {`{"kind":"A"}` + strings.Repeat(`{"kind":"List","items":[`, 6) + `{}` + strings.Repeat("]}", 6), []string{"1  A "}, []string{`skipped "f", line 1: lists in lists`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			log := NewLog("test", []*Input{open(t, "f", tc.text)}, Options{})
			err := log.Objects(context.Background(), func(o Object) error {
				got = append(got, fmt.Sprintf("%d %s %s %s", o.Line, o.APIVersion, o.Kind, o.Name))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			notes := log.Source().Notes
			if len(notes) != len(tc.notes) || len(notes) > 0 && !strings.HasPrefix(notes[0], tc.notes[0]) {
				t.Errorf("notes %q, want %q", notes, tc.notes)
			}
		})
	}
}

// Aliases that multiply are refused before they fill the memory.
func TestObjectsAliasBomb(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	log := NewLog("test", []*Input{open(t, "f", b.String())}, Options{})
	err := log.Objects(context.Background(), func(Object) error { return nil })
	if err == nil || !strings.Contains(err.Error(), `"f", line 1: yaml: document contains excessive aliasing`) {
		t.Errorf("%v", err)
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		head string
		want []string // kind and version
		has  string
	}{
		"JSON":          {`{"apiVersion":"v1","kind":"A","spec":{"x":{"y":1}}}`, []string{"A v1"}, "spec.x"},
		"cut off":       {`{"process_exec":{"process":{"binary":"/bin/s`, []string{" "}, "process_exec.process"},
		"lines":         {"{\"broken\n{\"b\":1}\n", []string{" "}, "b"},
		"pretty":        {"{\n \"kind\": \"A\"\n}\n{\n \"Spec\": 1}", []string{"A ", " "}, "spec"},
		"list":          {`{"kind":"List","items":[{"kind":"A","spec":1},{"kind":"B"`, []string{"List ", "A ", "B "}, "spec"},
		"YAML":          {"apiVersion: v1\nkind: A\n---\nkind: B\nspec:\n  x: 1\n", []string{"A v1", "B "}, "spec.x"},
		"YAML cut off":  {"kind: \"A\"\nspec:\n  x: [1,", []string{"A "}, "spec"},
		"text":          {"7 execve(\"/bin/sh\", [\"sh\"]) = 0\n", []string{}, ""},
		"array":         {`[{"a":1},{"kind":"B"}]`, []string{" ", "B "}, "a"},
		"array of none": {`[1, 2]`, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			has := tc.has == ""
			for _, s := range Shapes([]byte(tc.head)) {
				got = append(got, s.Kind+" "+s.APIVersion)
				has = has || s.Has(tc.has)
			}
			if name == "text" {
				if AnyShape([]byte(tc.head), func(s Shape) bool { return s.Kind != "" }) {
					t.Errorf("%q", got)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || !has {
				t.Error(diff, has)
			}
		})
	}
}

// Objects may be much larger than records of a log, but not many without end.
func TestObjectsLimits(t *testing.T) {
	t.Parallel()
	item := `{"kind":"A","metadata":{"name":"x"},"spec":{"text":"` + strings.Repeat("y", 1<<16) + `"}}`
	for name, test := range map[string]struct {
		text string
		want int
		err  string
	}{
		"a list of 6 MB on one line": {`{"kind":"List","items":[` + strings.TrimSuffix(strings.Repeat(item+",", 100), ",") + "]}\n", 100, ""},
		"a list of 6 MB, pretty":     {"{\n \"kind\": \"List\",\n \"items\": [\n  " + strings.TrimSuffix(strings.Repeat(item+",\n  ", 100), ",\n  ") + "\n ]\n}\n", 100, ""},
		"too many objects":           {strings.Repeat("{\"kind\":\"A\"}\n", maxObjects+1), maxObjects, `"f", line 100001: there are more than 100000 objects`},
		"too many items":             {`{"kind":"List","items":[` + strings.Repeat(`{},`, maxObjects) + "{}]}", 0, `"f", line 1: there are more than 100000 objects`},
		"too many values":            {`{"kind":"A","x":[` + strings.Repeat("{},", maxValues/2) + "{}]}", 0, `"f", line 1: the objects hold more than 8000000 values`},
	} {
		n := 0
		err := NewLog("test", []*Input{open(t, "f", test.text)}, Options{}).Objects(t.Context(), func(Object) error { n++; return nil })
		if n != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %d objects, %v", name, n, err)
		}
	}
}
