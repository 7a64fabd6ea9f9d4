package image

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCheckJSON(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		`{}`:                                    "",
		`{"a":1,"b":[{"a":1},{"a":2}]}`:         "",
		`[{"Config":"x"}]`:                      "",
		`{"annotations":{"a":"","A":""}}`:       "",
		`{"config":{"Labels":{"x":"","X":""}}}`: "",
		`{"":1,"a":2}`:                          "",
		`{"a":1,"a":2}`:                         `"a" is there twice`,
		`{"a":1,"b":{"c":1,"c":1}}`:             `"c" is there twice`,
		`{"layers":[],"Layers":[]}`:             `"Layers" is there twice`,
		`{"":1,"":2}`:                           `"" is there twice`,
		`{"annotations":{"a":"","a":""}}`:       `"a" is there twice`,
		`{"a":"annotations","x":{"k":1,"K":1}}`: `"K" is there twice`,
		`{"a":1}{"a":2}`:                        "more than one",
		`{"a":1`:                                "ends early",
		``:                                      "ends early",
		`"text"`:                                "not a JSON object",
		`1`:                                     "not a JSON object",
		"{\"a\":\"\xff\"}":                      "UTF-8",
		strings.Repeat("[", 100):                "deeper than 64",
		strings.Repeat(`{"a":`, 100):            "deeper than 64",
		"[" + strings.Repeat("1,", maxJSONValues) + "1]": "more than 250000",
	} {
		err := checkJSON([]byte(doc))
		if want == "" && err != nil {
			t.Errorf("%s: %v", doc, err)
		}
		if want != "" {
			wantErr(t, err, want)
		}
	}
}

func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{"a":{"b":[1,2,{"c":null}]}}`, `{"a":1,"a":2}`, `[[[]]]`, `{"annotations":{"a":"b"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if checkJSON(doc) != nil {
			return
		}
		var v any
		if err := json.Unmarshal(doc, &v); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		// Without duplicate keys, encoding what was decoded loses nothing.
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkJSON(raw); err != nil {
			t.Errorf("refused its own encoding: %v", err)
		}
	})
}
