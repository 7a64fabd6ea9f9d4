package scan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// tree reads a value of any kind with all that a scanner has. Numbers that are
// not whole are skipped and come as their bytes.
func tree(s *Scanner, memo *Memo[any]) any {
	switch c := s.Peek(); c {
	case '{':
		if kept := memo.find(s); kept != nil {
			return *kept
		}
		from := s.at
		m := map[string]any{}
		for more := s.Object(); more && s.Member(); {
			name := string(s.Name())
			m[name] = tree(s, memo)
		}
		var v any = m
		memo.keep(s, from, &v)
		return v
	case '[':
		list := []any{}
		for more := s.Array(); more && s.Element(); {
			list = append(list, tree(s, memo))
		}
		return list
	case '"':
		return s.String()
	case 't', 'f':
		return s.Bool()
	case 'n':
		s.Null()
		return nil
	default:
		return json.Number(s.Raw())
	}
}

// standard is what the standard library makes of a value.
func standard(t testing.TB, data []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q is not JSON: %v", data, err)
	}
	return v
}

// check compares what a scanner makes of a value with what others do, and
// reports whether it took it.
func check(t testing.TB, s *Scanner, memo *Memo[any], data []byte) bool {
	t.Helper()
	s.Reset(data)
	s.Skip()
	skipped := s.Done()
	if skipped && !json.Valid(data) {
		t.Fatalf("%q is skipped and not JSON", data)
	}
	if skipped && !jsontext.Value(data).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		t.Fatalf("%q is skipped and not JSON for jsontext", data)
	}
	for range 2 { // the second time from memory
		s.Reset(data)
		got := tree(s, memo)
		if !s.Done() {
			return skipped
		}
		// cmp takes too long for values that are deep.
		if want := standard(t, data); !reflect.DeepEqual(want, got) {
			t.Fatalf("%q is %v, want %v", data, got, want)
		}
	}
	return true
}

func TestTaken(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`[{"a":`, 30) + "1" + strings.Repeat("}]", 30)
	for _, text := range []string{
		`{}`, `[]`, ` { "a" : [ 1 , -2.5e+3 , true , false , null , "x" ] , "b" : { } } `, `"äöü€😀"`, `""`, `0`, `-0`, `1E9`, `0.5`,
		`{"exactly eight":"12345678","a":"1234567","b":"123456789012345"}`, `[[],[[]],{}]`, "[\t1,\r\n2]", deep,
		`{"pod":{"namespace":"prod","name":"web-6f56fc6988-pb8c7"},"again":{"namespace":"prod","name":"web-6f56fc6988-pb8c7"}}`,
	} {
		if !check(t, new(Scanner), new(Memo[any]), []byte(text)) {
			t.Errorf("%s is not taken", text)
		}
	}
	// Texts with escapes and bytes that are not UTF-8 are passed over only.
	for _, text := range []string{`"\"\\\/\b\f\n\r\t\u00e9"`, "\"\xff\"", `{"a\u0062":1}`} {
		s := new(Scanner)
		s.Reset([]byte(text))
		if s.Skip(); !s.Done() {
			t.Errorf("%s is not skipped", text)
		}
	}
}

func TestNotTaken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, ` `, `{`, `}`, `[`, `]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,"a":1}`, `{"a":1 "b":2}`, `{"a" 1}`, `{1:2}`, `[1,]`, `[,1]`, `[1 2]`, `[1}`,
		`{"a":1]`, `"`, `"a`, "\"a\nb\"", "\"1234567\x1f\"", `"\x"`, `"\u12"`, `"\u12g4"`, `"\ud83d\ude00"`, `01`, `-`, `1.`, `.5`, `1e`, `+1`,
		`tru`, `True`, `nul`, `falsee`, `1 2`, `{}{}`, `{} x`, `NaN`, `'a'`, "\"a\x00\"",
	} {
		if check(t, new(Scanner), new(Memo[any]), []byte(text)) {
			t.Errorf("%q is taken", text)
		}
	}
}

// What is passed over may be as deep as events never are.
func TestDepth(t *testing.T) {
	t.Parallel()
	for depth, want := range map[int]bool{1: true, maxDepth: true, maxDepth + 1: false, 100_000: false} {
		var s Scanner
		s.Reset([]byte(strings.Repeat("[", depth) + strings.Repeat("]", depth)))
		if s.Skip(); s.Done() != want {
			t.Errorf("%d deep: %v", depth, s.Done())
		}
	}
}

// Every byte at every position of a text ends it, or not, as it should.
func TestPlain(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewSource(1))
	for range 20_000 {
		d := make([]byte, r.Intn(40))
		for i := range d {
			if d[i] = byte(' ' + r.Intn(224)); r.Intn(20) == 0 {
				d[i] = []byte("\"\\\x00\x1f\x20\x21\x23\x5b\x5d\x7f\x80\xa2\xdc\xff")[r.Intn(14)]
			}
		}
		want, ascii := 0, true
		for ; want < len(d) && d[want] != '"' && d[want] != '\\' && d[want] >= ' '; want++ {
			ascii = ascii && d[want] < 0x80
		}
		if got, plainly := plain(d, 0); got != want || plainly != ascii {
			t.Fatalf("%q ends at %d, %v, want %d, %v", d, got, plainly, want, ascii)
		}
	}
}

func TestScalars(t *testing.T) {
	t.Parallel()
	type values struct {
		Int         int64
		Text        string
		Bool        bool
		Pointer     *string
		BoolPointer *bool
		List        []string
	}
	text, yes := "x", true
	for in, want := range map[string]values{
		`{"int":7,"text":"x","bool":true,"pointer":"x","boolPointer":true,"list":["a","b"]}`:  {7, "x", true, &text, &yes, []string{"a", "b"}},
		`{"int":"-12","text":null,"bool":null,"pointer":null,"boolPointer":null,"list":null}`: {-12, "", false, nil, nil, nil},
		`{"int":9223372036854775807,"list":[]}`:                                               {Int: 1<<63 - 1, List: []string{}},
		`{"int":null,"bool":false,"list":[null]}`:                                             {List: []string{""}},
		`{"int":1,"int":2,"list":["a"],"list":["b"]}`:                                         {Int: 2, List: []string{"b"}},
	} {
		var s Scanner
		var got values
		s.Reset([]byte(in))
		for more := s.Object(); more && s.Member(); {
			switch string(s.Name()) {
			case "int":
				got.Int = s.Int()
			case "text":
				got.Text = s.String()
			case "bool":
				got.Bool = s.Bool()
			case "pointer":
				got.Pointer = s.StringPointer()
			case "boolPointer":
				got.BoolPointer = s.BoolPointer()
			case "list":
				got.List = s.Strings()
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || !s.Done() {
			t.Errorf("%s, %v (-want +got):\n%s", in, s.Done(), diff)
		}
	}
	for _, in := range []string{`1.5`, `1e3`, `9223372036854775808`, `-9223372036854775808`, `"007"`, `"+1"`, `""`, `"1x"`, `{}`, `[]`, `true`, `-`} {
		var s Scanner
		s.Reset([]byte(in))
		if n := s.Int(); s.Done() {
			t.Errorf("%s is the number %d", in, n)
		}
	}
	for name, read := range map[string]func(s *Scanner){
		"text": func(s *Scanner) { _ = s.String() }, "bool": func(s *Scanner) { s.Bool() }, "object": func(s *Scanner) { s.Object() },
		"array": func(s *Scanner) { s.Array() }, "pointer": func(s *Scanner) { s.StringPointer() }, "list": func(s *Scanner) { s.Strings() },
	} {
		var s Scanner
		s.Reset([]byte(`7`))
		if read(&s); s.Done() {
			t.Errorf("7 is taken as %s", name)
		}
	}
}

// What is kept is bounded, and objects that differ in one byte are told apart.
func TestMemo(t *testing.T) {
	t.Parallel()
	var s Scanner
	var memo Memo[any]
	for round := range 3 {
		for i := range 2000 {
			data := fmt.Appendf(nil, `{"kind":"an object of some length","filler":"%s","number":%d,"x":{"y":%d}} `, strings.Repeat("x", i%50*100), i%700, round%2)
			if !check(t, &s, &memo, data) {
				t.Fatalf("%q is not taken", data)
			}
		}
	}
	bytes := 0
	for i := range memo.rows {
		for _, k := range memo.rows[i].ways {
			bytes += cap(k.bytes)
		}
	}
	if most := memoRows * memoWays * 2 * maxSpan; bytes == 0 || bytes > most {
		t.Errorf("%d bytes are kept, want up to %d", bytes, most)
	}
	s.Reset([]byte(`{"kind":"an object of some length", broken`))
	var none any
	from := s.at
	s.Skip()
	memo.keep(&s, from, &none)
	s.Reset([]byte(`{"kind":"an object of some length", broken`))
	if memo.find(&s) != nil {
		t.Error("an object that failed is kept")
	}
}

func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-2.5e+3,true,false,null,"x"],"b":{}}`, `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, "{\"a\":\"\xff\",\"a\":2}", ` [ ] `, `01`,
		`{"namespace":"prod","name":"web-6f56fc6988-pb8c7","container":{"id":"containerd://86eb9e29a77d432afc7a15b4"}}`, "\"1234567\x1f\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		check(t, new(Scanner), new(Memo[any]), data)
	})
}
