package layers

// Event tells how far Open or Rewrite got.
type Event struct {
	Kind   EventKind
	Layer  int
	Layers int
	Bytes  int64 // bytes of the layer's archive
}

// EventKind is what happened.
type EventKind int

// The events: a layer was read, a layer was written anew, a layer was passed on
// as it was.
const (
	LayerRead EventKind = iota
	LayerWritten
	LayerReused
)

type options struct {
	limits      Limits
	progress    func(Event)
	compression Compression
	annotations map[string]string
}

// Option changes how Open and Rewrite work.
type Option func(*options)

// WithLimits bounds what an image may ask for.
func WithLimits(l Limits) Option { return func(o *options) { o.limits = l.orDefault() } }

// WithProgress calls f from several goroutines as layers are done.
func WithProgress(f func(Event)) Option { return func(o *options) { o.progress = f } }

// WithCompression stores rewritten layers as c; without it each keeps what it
// had. Layers without an edit keep their blob either way.
func WithCompression(c Compression) Option { return func(o *options) { o.compression = c } }

// WithAnnotations adds annotations to the manifest; existing ones stay.
func WithAnnotations(a map[string]string) Option { return func(o *options) { o.annotations = a } }

func newOptions(opts []Option) *options {
	o := &options{limits: DefaultLimits(), progress: func(Event) {}}
	for _, opt := range opts {
		opt(o)
	}
	return o
}
