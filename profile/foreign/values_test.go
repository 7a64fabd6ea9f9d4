package foreign

import (
	"testing"
	"time"
)

func TestInt(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Int{
		`1`: 1, `"627"`: 627, `-2`: -2, `{"value":7}`: 7, `{"x":[1],"value":"8"}`: 8, `null`: 0, `1e3`: 1000,
		`18446744073709551615`: -1, `{}`: 0, `{"value":{"value":1}}`: 0,
	} {
		var v struct{ N Int }
		if err := Decode([]byte(`{"n":`+in+`}`), &v); err != nil || v.N != want {
			t.Errorf("%s is %d, %v", in, v.N, err)
		}
	}
	for _, in := range []string{`"x"`, `1.5`, `[]`, `true`, `{"value":`, `1e99`} {
		var v struct{ N Int }
		if err := Decode([]byte(`{"n":`+in+`}`), &v); err == nil {
			t.Errorf("%s is %d", in, v.N)
		}
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	want := time.Date(2025, 6, 24, 10, 31, 41, 500_000_000, time.UTC)
	for _, s := range []string{"2025-06-24T10:31:41.5Z", "2025-06-24T12:31:41.5+02:00", "2025-06-24 10:31:41.5 +0000 UTC m=+98.97"} {
		if got := Time(s); !got.Equal(want) {
			t.Errorf("%q is %v", s, got)
		}
	}
	if !Time("x").IsZero() || !Nanoseconds(750512507929).IsZero() || !Nanoseconds(want.UnixNano()).Equal(want) {
		t.Error("times since boot are taken for times")
	}
}

// Whatever the text, it is one time, read from bytes or from a string.
func FuzzTimeText(f *testing.F) {
	for _, s := range []string{
		"2025-06-24T10:31:41.5Z", "2025-06-24T12:31:41,5+02:00", "2025-06-24 10:31:41.5 +0000 UTC m=+98.97", "2025-06-24T24:00:00Z", "x", "",
		"2025-02-29T10:31:41Z", "2025-06-24T10:31:60Z", "2025-06-24T1:31:41Z", "0000-01-01T00:00:00-23:59", "2025-06-24T10:31:41.0000000001Z",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, want := TimeText(text), Time(string(text)); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	})
}

func TestImageOf(t *testing.T) {
	t.Parallel()
	const d = "sha256:ff3aa5862fd17f8695984609743f4523188984adbcd25cf5ac4224b71084558c"
	for in, want := range map[string][2]string{
		"q.io/a/b@" + d:                     {"q.io/a/b", d},
		"docker-pullable://q.io/a/b:1@" + d: {"q.io/a/b:1", d},
		d:                                   {"", d},
		"docker.io/library/busybox:latest":  {"docker.io/library/busybox:latest", ""},
		"{{ .Values.image }}":               {"", ""},
		"":                                  {"", ""},
		"a@sha256:12":                       {"a", ""},
	} {
		ref, digest := ImageOf(in)
		if ref != want[0] || digest != want[1] {
			t.Errorf("%q is %q and %q", in, ref, digest)
		}
	}
}
