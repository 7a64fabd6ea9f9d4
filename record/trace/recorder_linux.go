package trace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/lathe-build/lathe/profile"
)

// Recorder records one container. Its methods may be called concurrently.
type Recorder struct {
	kernel *kernel
	target *os.File // the mount namespace, held; nil for a control group
	number uint32   // of target
	reader *ringbuf.Reader
	opts   Options
	start  time.Time
	done   chan struct{} // closed when the reader has ended

	detached atomic.Bool // the programs do not run any more

	mu        sync.Mutex
	folder    *folder
	readErr   error
	scenarios []string
	present   []present
	events    int64
	lastNew   time.Time
	closed    bool
}

// Start loads the programs and records from now on, until [Recorder.Stop] or
// [Recorder.Close]. When it returns, nothing that the target executes is missed.
// An error that wraps [ErrUnsupported] says that this machine cannot record.
func Start(ctx context.Context, opts Options) (*Recorder, error) {
	if err := Supported(ctx); err != nil {
		return nil, err
	}
	if opts.RingBytes == 0 {
		opts.RingBytes = defaultRing
	}
	if opts.RingBytes < os.Getpagesize() || opts.RingBytes&(opts.RingBytes-1) != 0 {
		return nil, fmt.Errorf("a ring of %d bytes: it has to be a power of two of at least %d", opts.RingBytes, os.Getpagesize())
	}
	if t := &opts.Target; t.Running && t.Cgroup != "" && t.PID == 0 {
		pid, err := processIn(t.Cgroup)
		if err != nil {
			return nil, err
		}
		t.PID, t.Cgroup = pid, ""
	}
	k, err := load(opts)
	if err != nil {
		return nil, err
	}
	r := &Recorder{kernel: k, opts: opts, start: time.Now(), done: make(chan struct{}), folder: newFolder(opts, namesOf(runtime.GOARCH))}
	if err := r.begin(ctx); err != nil {
		return nil, errors.Join(err, k.close(), r.release())
	}
	go r.read()
	go r.look()
	return r, nil
}

// begin aims the programs at the target and attaches them.
func (r *Recorder) begin(ctx context.Context) error {
	var err error
	if r.reader, err = ringbuf.NewReader(r.kernel.maps.Events); err != nil {
		return fmt.Errorf("opening the ring of events: %w", err)
	}
	if err := r.aim(); err != nil {
		return errors.Join(err, r.reader.Close())
	}
	if err := r.kernel.attach(); err != nil {
		return errors.Join(err, r.reader.Close())
	}
	if r.opts.Target.Running {
		if err := r.adopt(ctx); err != nil {
			return errors.Join(err, r.reader.Close())
		}
	}
	return nil
}

// aim tells the kernel side what to record.
func (r *Recorder) aim() error {
	t := r.opts.Target
	c := config{Argv: oneIf(r.opts.Argv), Armed: oneIf(t.Running), ByCgroup: oneIf(t.Cgroup != "")}
	own, err := namespaceOf("self")
	if err != nil {
		return err
	}
	c.HostMntns = uint64(own)
	if (t.PID != 0) == (t.Cgroup != "") {
		return errors.New("the target is either a process or a control group")
	}
	if t.Cgroup != "" {
		id, err := cgroupID(t.Cgroup)
		if err != nil {
			return err
		}
		if err := r.kernel.maps.Cgroups.Put(id, uint32(1)); err != nil {
			return fmt.Errorf("telling the programs of control group %q: %w", t.Cgroup, err)
		}
		r.folder.onFirst = func(pid uint32) {
			r.folder.mounts = mountsOf(int(pid))
			r.folder.users = readUsers(procFile(int(pid), "uid_map"))
		}
		return r.kernel.configure(c)
	}
	if r.target, r.number, err = holdNamespace(t.PID); err != nil {
		return err
	}
	if r.number == own {
		return fmt.Errorf("process %d is in the mount namespace of this process and not in that of a container", t.PID)
	}
	r.folder.mounts = mountsOf(t.PID)
	r.folder.users = readUsers(procFile(t.PID, "uid_map"))
	if t.Running {
		return r.kernel.configure(c) // adopt aims once all processes are known
	}
	return errors.Join(r.kernel.target(r.number), r.kernel.configure(c))
}

func oneIf(on bool) uint32 {
	if on {
		return 1
	}
	return 0
}

// lookEvery is how often the reader looks for events by itself: the kernel side
// wakes it for few of them.
const lookEvery = 100 * time.Millisecond

// look makes the reader look from time to time, until it ends.
func (r *Recorder) look() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.done:
			return
		case <-tick.C:
			_ = r.reader.Flush() // fails once it is closed, and then it has ended
		}
	}
}

// read folds events until the ring is closed, or has been read to its end after
// the programs were detached.
func (r *Recorder) read() {
	defer close(r.done)
	var record ringbuf.Record
	for {
		detached := r.detached.Load()
		err := r.reader.ReadInto(&record)
		if errors.Is(err, ringbuf.ErrFlushed) && !detached {
			if r.detached.Load() { // only now: what came meanwhile is to be read
				_ = r.reader.Flush()
			}
			continue
		}
		if err != nil {
			if !errors.Is(err, ringbuf.ErrFlushed) && !errors.Is(err, ringbuf.ErrClosed) {
				r.mu.Lock()
				r.readErr = fmt.Errorf("reading the ring of events: %w", err)
				r.mu.Unlock()
			}
			return
		}
		r.mu.Lock()
		before := r.folder.facts.Facts()
		r.folder.fold(record.RawSample)
		r.events++
		if r.folder.facts.Facts() != before {
			r.lastNew = time.Now()
		}
		r.mu.Unlock()
	}
}

// Phase says that from now on the container is in another phase, one of
// profile's: startup (it begins there), serving or shutdown.
func (r *Recorder) Phase(phase string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.folder.phases = append(r.folder.phases, phase)
	if err := r.kernel.setEpoch(uint32(len(r.folder.phases) - 1)); err != nil {
		return fmt.Errorf("telling the programs of the phase %s: %w", phase, err)
	}
	running, err := r.kernel.programs()
	r.present = append(r.present, present{phase, running})
	return err
}

// present is the programs that run when a phase begins. Their executions may still
// be in the ring.
type present struct {
	phase    string
	programs []uint64
}

// Scenario notes the name of something that is exercised.
func (r *Recorder) Scenario(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scenarios = append(r.scenarios, name)
}

// Progress is how far the recording is.
func (r *Recorder) Progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := Progress{
		Executables: r.folder.facts.Executables(), Files: r.folder.facts.Files(), Facts: r.folder.facts.Facts(),
		Events: r.events, LastNew: r.lastNew,
	}
	if !r.closed {
		if c, err := r.kernel.counters(); err == nil {
			p.Lost = int64(c.missed())
		}
	}
	p.Lost += r.folder.overflown + r.folder.facts.Lost()
	return p
}

// Stop ends the recording and makes the profile: native, valid, not bound to an
// image. It should be called when the container has ended, since what runs
// longer makes the profile incomplete. It need not wait for stragglers: the
// kernel reports the end of a container's first process after it has run the
// programs for the ends of all others in its PID namespace.
func (r *Recorder) Stop(ctx context.Context) (*profile.Profile, error) {
	end := ending{end: time.Now(), start: r.start, kernel: kernelRelease(), arch: runtime.GOARCH, hooks: r.kernel.hooks}
	var err error
	if end.running, err = r.kernel.running(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err := r.kernel.detach(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.detached.Store(true)
	if err := r.reader.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("draining the ring of events: %w", err), r.Close())
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), r.Close())
	}
	r.mu.Lock()
	err = r.readErr
	end.scenarios = r.scenarios
	if err == nil {
		end.counters, err = r.kernel.counters()
	}
	for _, p := range r.present {
		for _, exe := range p.programs {
			r.folder.ran(exe, p.phase)
		}
	}
	if err == nil {
		r.kernel.repeats(r.folder.counts)
		err = r.noteSyscalls(&end)
	}
	r.mu.Unlock()
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	return r.folder.facts.Profile(r.opts.Name, r.folder.source(end), r.opts.Image)
}

// noteSyscalls takes over which system calls were made.
func (r *Recorder) noteSyscalls(end *ending) error {
	used, err := r.kernel.syscalls()
	if err != nil {
		return err
	}
	for _, nr := range used {
		name := nameAt(r.folder.names, nr)
		if name == "" {
			name = fmt.Sprintf("syscall_%d", nr)
		}
		r.folder.facts.Syscall(name, runtime.GOARCH)
		end.usesURing = end.usesURing || name == "io_uring_setup"
	}
	return nil
}

// Close ends the recording without a profile. It may be called more than once.
func (r *Recorder) Close() error {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if closed {
		return nil
	}
	err := r.reader.Close()
	<-r.done
	return errors.Join(err, r.kernel.close(), r.release())
}

// release lets go of the namespace: what has its number is not the target any
// more.
func (r *Recorder) release() error {
	if r.target == nil {
		return nil
	}
	return r.target.Close()
}
