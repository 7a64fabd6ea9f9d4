package plainjson_test

import (
	"encoding/json"
	"testing"
	"unicode"

	"github.com/lathe-build/lathe/internal/plainjson"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"plain"`: `"plain"`, `"café 日本"`: `"café 日本"`, "\"\u009b2J\x7f\"": `"\u009b2J\u007f"`,
		"\"\u202eab\u200b\"": `"\u202eab\u200b"`, "\"\U000e0041\"": `"\udb40\udc41"`, "\"a\\u009b\"": `"a\u009b"`,
	} {
		if got := string(plainjson.Escape([]byte(text))); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("\u009b\x7f\u202e\U000e0041\xff")
	f.Fuzz(func(t *testing.T, s string) {
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		safe := plainjson.Escape(raw)
		for _, r := range string(safe) {
			if !unicode.IsGraphic(r) {
				t.Fatalf("%q has %q", safe, r)
			}
		}
		var want, got string
		if json.Unmarshal(raw, &want) != nil || json.Unmarshal(safe, &got) != nil || got != want {
			t.Fatalf("%q became %q", want, got)
		}
	})
}
