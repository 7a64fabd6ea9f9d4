package foreign

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Int is a whole number that JSON has as a number, as a string (as protobuf's
// mapping does with 64 bits), or wrapped as {"value": 1}. null is 0.
type Int int64

// UnmarshalJSONFrom reads the number.
func (n *Int) UnmarshalJSONFrom(in *jsontext.Decoder) error {
	token, err := in.ReadToken()
	if err != nil {
		return err
	}
	switch token.Kind() {
	case 'n':
		*n = 0
		return nil
	case '"', '0':
		return n.parse(token.String())
	case '{':
		return n.unwrap(in)
	default:
		return errNumber
	}
}

var errNumber = errors.New("it is not a whole number")

func (n *Int) unwrap(in *jsontext.Decoder) error {
	for in.PeekKind() == '"' {
		name, err := in.ReadToken()
		if err != nil {
			return err
		}
		if name.String() != "value" || in.PeekKind() == '{' {
			if err := in.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if err := n.UnmarshalJSONFrom(in); err != nil {
			return err
		}
	}
	_, err := in.ReadToken()
	return err
}

func (n *Int) parse(text string) error {
	v, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		*n = Int(v)
		return nil
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		*n = Int(u) //nolint:gosec // flags and inode numbers may use all bits
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != float64(int64(f)) {
		return errNumber
	}
	*n = Int(f)
	return nil
}

// Uint32 is n as a user id, and whether it is one.
func (n Int) Uint32() (uint32, bool) {
	return uint32(n), n >= 0 && n < 1<<32-1 //nolint:gosec // checked
}

// Time reads RFC 3339 and Go's Time.String, with or without its monotonic
// clock. It is zero for everything else.
func Time(s string) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC()
	}
	s, _, _ = strings.Cut(s, " m=")
	if t, err := time.Parse("2006-01-02 15:04:05.999999999 -0700 MST", s); err == nil {
		return t.UTC()
	}
	return time.Time{}
}

// TimeText is [Time] of a text that is not a string yet.
func TimeText(text []byte) time.Time {
	var t time.Time
	if t.UnmarshalText(text) == nil { // takes less than Time, without a string
		return t.UTC()
	}
	return Time(string(text))
}

// minWall is the year 2000: smaller numbers of nanoseconds count from boot.
const minWall = 946_684_800_000_000_000

// Nanoseconds is a time in nanoseconds since 1970, and zero for numbers that
// can only be since boot.
func Nanoseconds(n int64) time.Time {
	if n < minWall {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// ImageOf is what a record's name of an image tells: "repo@sha256:…" with or
// without docker-pullable:// or docker://, "sha256:…", or a tag. What is a
// digest there may be one of the index, the platform's manifest or, where bare,
// the config; nobody says which.
func ImageOf(id string) (ref, digest string) {
	if _, rest, ok := strings.Cut(id, "://"); ok {
		id = rest
	}
	name, digest, ok := strings.Cut(id, "@")
	if !ok && strings.HasPrefix(id, "sha256:") {
		name, digest = "", id
	}
	if !isSHA256(digest) {
		digest = ""
	}
	if strings.ContainsAny(name, " {}\t\n") {
		name = "" // a template that was not filled in
	}
	return name, digest
}

func isSHA256(s string) bool {
	sum, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(sum) == 64 && strings.Trim(sum, "0123456789abcdef") == ""
}
