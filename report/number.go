package report

import (
	"fmt"
	"strconv"
)

// size is a number of bytes for people: 24.8 MB, where 1 MB is 1,000,000 bytes.
// Below a tenth of that it is in kB or B.
func size(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -max(n, -1<<62)
	}
	switch {
	case n < 1000:
		return sign + strconv.FormatInt(n, 10) + " B"
	case n < 100_000:
		return sign + tenths(n, 1000) + " kB"
	}
	return sign + tenths(n, 1_000_000) + " MB"
}

// tenths is n/unit with one decimal, rounded half up.
func tenths(n, unit int64) string {
	t := n / (unit / 10)
	if n%(unit/10) >= unit/20 {
		t++
	}
	return count(t/10) + "." + strconv.FormatInt(t%10, 10)
}

// count is a whole number with commas between thousands.
func count[T int | int64](n T) string {
	if n < 0 {
		return "-" + count(-max(n, -1<<62))
	}
	if n < 1000 {
		return strconv.FormatInt(int64(n), 10)
	}
	return count(n/1000) + fmt.Sprintf(",%03d", int64(n%1000))
}

// change is the change from before to after in percent.
func change(before, after int64) string {
	switch {
	case before == after:
		return "="
	case before <= 0:
		return ""
	}
	percent := (float64(after) - float64(before)) / float64(before) * 100
	text := fmt.Sprintf("%+.1f %%", percent)
	if after > 0 && text == "-100.0 %" {
		return "-99.9 %"
	}
	return text
}

// plural is "1 file" or "2 files".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
