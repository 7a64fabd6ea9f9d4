package layers

import "fmt"

// Limits bound what an image may ask for. The zero value of a field means its
// default; see [DefaultLimits].
type Limits struct {
	Layers   int   // layers of an image
	Entries  int   // entries of all layers together
	Expanded int64 // bytes of all archives together, sparse files counted in full
	Ratio    int64 // expanded bytes a compressed byte, checked above RatioFrom
	Depth    int   // components of a path
	Window   int64 // bytes of memory that a zstd frame may ask for
}

// RatioFrom is the expanded size of a layer from which [Limits.Ratio] is
// checked: small layers of zeros are ordinary.
const RatioFrom = 1 << 30

// DefaultLimits are generous for real images and small for bombs.
func DefaultLimits() Limits {
	return Limits{
		Layers:   512,
		Entries:  2_000_000,
		Expanded: 64 << 30,
		Ratio:    1000,
		Depth:    255,
		Window:   64 << 20,
	}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	fill := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	fill64 := func(v *int64, def int64) {
		if *v == 0 {
			*v = def
		}
	}
	fill(&l.Layers, d.Layers)
	fill(&l.Entries, d.Entries)
	fill(&l.Depth, d.Depth)
	fill64(&l.Expanded, d.Expanded)
	fill64(&l.Ratio, d.Ratio)
	fill64(&l.Window, d.Window)
	return l
}

// LimitError says that an image asks for more than a limit allows.
type LimitError struct {
	What  string // the limit: "entries", "expanded", ...
	Limit int64
}

// Error names the limit and its value.
func (e *LimitError) Error() string {
	switch e.What {
	case "headers":
		return fmt.Sprintf("an entry has more than %d bytes of headers", e.Limit)
	case "globals":
		return fmt.Sprintf("more than %d records of global PAX headers are in force", e.Limit)
	}
	return fmt.Sprintf("the image is over the limit of %d %s (--limit-%s)", e.Limit, limitUnit(e.What), e.What)
}

func limitUnit(what string) string {
	switch what {
	case "expanded":
		return "expanded bytes"
	case "ratio":
		return "expanded bytes a compressed byte"
	case "window":
		return "bytes of zstd window"
	case "depth":
		return "path components"
	}
	return what
}
