package trace

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
)

// kernel is the kernel side: programs, their maps, and the links that run them.
type kernel struct {
	collection *ebpf.Collection
	maps       kernelMaps
	links      []link.Link
	hooks      hooks
}

type kernelMaps struct {
	Events   *ebpf.Map `ebpf:"events"`
	Procs    *ebpf.Map `ebpf:"procs"`
	Targets  *ebpf.Map `ebpf:"targets"`
	Cgroups  *ebpf.Map `ebpf:"cgroups"`
	Configs  *ebpf.Map `ebpf:"configs"`
	Seen     *ebpf.Map `ebpf:"seen"`
	Epochs   *ebpf.Map `ebpf:"epochs"`
	Calls    *ebpf.Map `ebpf:"calls"`
	Used     *ebpf.Map `ebpf:"used"`
	Counters *ebpf.Map `ebpf:"counters"`
}

// config is struct config of bpf/event.h.
type config struct {
	HostMntns uint64
	Armed     uint32
	ByCgroup  uint32
	Argv, Pad uint32
}

// process is struct proc of bpf/event.h.
type process struct {
	Exe         uint64
	Origin, Pad uint32
}

// optional is the tracepoints without which a recording sees less.
func optional() map[string]string {
	return map[string]string{
		"on_tcp_state": "inet_sock_set_state", "on_capable": "cap_capable", "on_uring": "io_uring_submit_req",
	}
}

// load loads the programs, without those for which the kernel has no tracepoint
// or that it refuses.
func load(opts Options) (*kernel, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("reading the eBPF programs: %w", err)
	}
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("reading the kernel's type information: %w", err)
	}
	spec.Maps["events"].MaxEntries = uint32(opts.RingBytes)
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("%w: lifting the limit of locked memory: %w; %s", ErrUnsupported, err, alternatives)
	}
	for program, tracepoint := range optional() {
		if !hasTracepoint(types, tracepoint) {
			delete(spec.Programs, program)
		}
	}
	collection, err := newCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("%w: the kernel refuses the eBPF programs: %w; %s", ErrUnsupported, err, alternatives)
	}
	k := &kernel{collection: collection}
	k.hooks = hooks{
		tcp: collection.Programs["on_tcp_state"] != nil, capabilities: collection.Programs["on_capable"] != nil,
		uring: collection.Programs["on_uring"] != nil,
	}
	if err := collection.Assign(&k.maps); err != nil {
		return nil, errors.Join(fmt.Errorf("finding the maps of the eBPF programs: %w", err), k.close())
	}
	if err := k.fillCalls(); err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

// newCollection loads all programs, or all but the optional ones that a kernel
// with other structures refuses.
func newCollection(spec *ebpf.CollectionSpec) (*ebpf.Collection, error) {
	for {
		collection, err := ebpf.NewCollection(spec)
		if err == nil {
			return collection, nil
		}
		refused := ""
		for program := range optional() {
			if spec.Programs[program] != nil && strings.Contains(err.Error(), "program "+program+":") {
				refused = program
			}
		}
		if refused == "" {
			return nil, err
		}
		delete(spec.Programs, refused)
	}
}

// fillCalls tells the programs how to read the system calls of this architecture.
func (k *kernel) fillCalls() error {
	table := calls()
	for nr, name := range namesOf(runtime.GOARCH) {
		c, ok := table[name]
		if !ok {
			continue
		}
		if err := k.maps.Calls.Put(uint32(nr), c.encode()); err != nil {
			return fmt.Errorf("telling the programs of the system call %s: %w", name, err)
		}
	}
	return nil
}

func (k *kernel) configure(c config) error {
	if err := k.maps.Configs.Put(uint32(0), c); err != nil {
		return fmt.Errorf("configuring the eBPF programs: %w", err)
	}
	return nil
}

func (k *kernel) setEpoch(epoch uint32) error { return k.maps.Epochs.Put(uint32(0), epoch) }

// target makes the programs follow what is executed in a mount namespace.
func (k *kernel) target(namespace uint32) error {
	if err := k.maps.Targets.Put(namespace, uint32(1)); err != nil {
		return fmt.Errorf("telling the programs of mount namespace %d: %w", namespace, err)
	}
	return nil
}

// attach makes the programs run: executions last, so that nothing is followed
// by a part of them only.
func (k *kernel) attach() error {
	order := []string{"on_exit", "on_fork", "on_tcp_state", "on_capable", "on_uring", "on_sys_exit", "on_exec"}
	for _, name := range order {
		program := k.collection.Programs[name]
		if program == nil {
			continue
		}
		l, err := link.AttachTracing(link.TracingOptions{Program: program})
		if err != nil {
			return fmt.Errorf("attaching the eBPF program %s: %w", name, err)
		}
		k.links = append(k.links, l)
	}
	return nil
}

func (k *kernel) detach() error {
	var err error
	for _, l := range k.links {
		err = errors.Join(err, l.Close())
	}
	k.links = nil
	if err != nil {
		return fmt.Errorf("detaching the eBPF programs: %w", err)
	}
	return nil
}

func (k *kernel) close() error {
	err := k.detach()
	k.collection.Close()
	return err
}

func (k *kernel) counters() (counters, error) {
	var sums [maxCounters]uint64
	for i := range sums {
		var perCPU []uint64
		if err := k.maps.Counters.Lookup(uint32(i), &perCPU); err != nil {
			return counters{}, fmt.Errorf("reading the counters of the eBPF programs: %w", err)
		}
		for _, n := range perCPU {
			sums[i] += n
		}
	}
	c := countersOf(sums)
	for name, program := range k.collection.Programs {
		stats, err := program.Stats()
		if err != nil {
			return counters{}, fmt.Errorf("asking how often the eBPF program %s did not run: %w", name, err)
		}
		c.misses += stats.RecursionMisses
	}
	return c, nil
}

// syscalls is the numbers of the system calls that were made.
func (k *kernel) syscalls() ([]int, error) {
	var out []int
	for nr := range k.maps.Used.MaxEntries() {
		var used uint32
		if err := k.maps.Used.Lookup(nr, &used); err != nil {
			return nil, fmt.Errorf("reading which system calls were made: %w", err)
		}
		if used != 0 {
			out = append(out, int(nr))
		}
	}
	return out, nil
}

// running is how many processes are followed.
func (k *kernel) running() (int, error) {
	n := 0
	err := k.eachProcess(func(process) { n++ })
	return n, err
}

// programs is what each of the processes that are followed runs now.
func (k *kernel) programs() ([]uint64, error) {
	var list []uint64
	err := k.eachProcess(func(p process) { list = append(list, p.Exe) })
	return list, err
}

// eachProcess goes through the processes that are followed. Where many end
// meanwhile, it may not see all.
func (k *kernel) eachProcess(yield func(process)) error {
	var pid uint32
	var p process
	each := k.maps.Procs.Iterate()
	for each.Next(&pid, &p) {
		yield(p)
	}
	if err := each.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return fmt.Errorf("going through the processes that are followed: %w", err)
	}
	return nil
}

// repeats tells how often events were not sent because they had been before. One
// that was forgotten since is not counted.
func (k *kernel) repeats(counts map[uint64]func(int64)) {
	for key, count := range counts {
		var n uint64
		if k.maps.Seen.Lookup(key, &n) == nil && n > 1 {
			count(int64(n - 1))
		}
	}
}
