package record

import (
	"context"
	"errors"
	"time"

	"github.com/lathe-build/lathe/profile"
)

// AttachOptions say which running container is recorded, and for how long.
type AttachOptions struct {
	Trace  TraceOptions
	Start  StartTracer
	For    time.Duration // 0: no limit
	Test   func(context.Context) error
	Ended  func() bool // whether the container is gone; nil: not known
	Notify func(Event)
}

// Attach records a container that runs already, until the test ends, the time
// is over, the container is gone or, without a test, the context ends. The
// profile misses what was done before, and is marked as incomplete.
func Attach(ctx context.Context, o AttachOptions) (_ *profile.Profile, err error) {
	o.Trace.Running = true
	tracer, err := o.Start(ctx, o.Trace)
	if err != nil {
		return nil, err
	}
	tracer.Scenario("attached")
	err = tracer.Phase(profile.PhaseServing)
	if err == nil {
		err = attended(ctx, o, tracer)
	}
	p, stopErr := tracer.Stop(context.WithoutCancel(ctx))
	return p, errors.Join(err, stopErr)
}

// attended waits for the end of a recording.
func attended(ctx context.Context, o AttachOptions, tracer Tracer) error {
	notify := o.Notify
	if notify == nil {
		notify = func(Event) {}
	}
	notify(Event{Kind: EventReady, Scenario: "attached"})
	tested := make(chan error, 1)
	if o.Test != nil {
		go func() { tested <- o.Test(ctx) }()
	}
	var over <-chan time.Time
	if o.For > 0 {
		timer := time.NewTimer(o.For)
		defer timer.Stop()
		over = timer.C
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-tested:
			return err
		case <-over:
			return nil
		case <-ctx.Done():
			if o.Test == nil {
				return nil // this is how such a recording is ended by hand
			}
			return errors.Join(context.Cause(ctx), <-tested)
		case <-tick.C:
			notify(Event{Kind: EventProgress, Scenario: "attached", Progress: tracer.Progress()})
			if o.Ended != nil && o.Ended() {
				return nil
			}
		}
	}
}
