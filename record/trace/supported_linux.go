package trace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// alternatives is what to do instead, the end of every such error.
const alternatives = "record elsewhere, or import what strace or another recorder saw with 'lathe profile import'"

// machine is what decides whether this machine can record.
type machine struct {
	object   bool // there are programs for this architecture
	arch     string
	btf      error
	missing  string // a tracepoint that the kernel does not have
	caps     uint64
	lockdown string // the mode, "" where it is not known
}

// Supported says in one line what keeps this machine or user from recording:
// the architecture, type information of the kernel (BTF), a tracepoint, a
// capability or the kernel's lockdown. The error wraps [ErrUnsupported].
func Supported(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m := machine{object: len(object) > 0, arch: runtime.GOARCH}
	var err error
	if m.caps, err = effectiveCapabilities(); err != nil {
		return err
	}
	m.lockdown = lockdownMode()
	if spec, err := btf.LoadKernelSpec(); err != nil {
		m.btf = err
	} else {
		m.missing = missingTracepoint(spec)
	}
	return m.diagnose()
}

func (m machine) diagnose() error {
	const perfmon, bpf, admin = 38, 39, 21
	has := func(n int) bool { return m.caps&(1<<n) != 0 }
	why := ""
	switch {
	case !m.object:
		why = "there are no eBPF programs for " + m.arch + ", only for amd64 and arm64"
	case errors.Is(m.btf, fs.ErrNotExist), errors.Is(m.btf, ebpf.ErrNotSupported):
		why = "the kernel has no type information (CONFIG_DEBUG_INFO_BTF, /sys/kernel/btf/vmlinux)"
	case m.btf != nil:
		why = fmt.Sprintf("the kernel's type information cannot be read: %v", m.btf)
	case m.missing != "":
		why = "the kernel has no tracepoint " + m.missing
	case !has(admin) && (!has(bpf) || !has(perfmon)):
		why = "the user may not load eBPF programs (CAP_BPF and CAP_PERFMON, or root)"
	case m.lockdown == "confidentiality":
		why = "the kernel is locked down (confidentiality), so that eBPF may not read its memory"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s; %s", ErrUnsupported, why, alternatives)
}

// missingTracepoint is a tracepoint that recording needs and the kernel has not.
func missingTracepoint(spec *btf.Spec) string {
	for _, name := range []string{"sys_exit", "sched_process_exec", "sched_process_fork", "sched_process_exit"} {
		if !hasTracepoint(spec, name) {
			return name
		}
	}
	return ""
}

func hasTracepoint(spec *btf.Spec, name string) bool {
	var typedef *btf.Typedef
	return spec.TypeByName("btf_trace_"+name, &typedef) == nil
}

func effectiveCapabilities() (uint64, error) {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("reading the capabilities of this process: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil {
				return 0, fmt.Errorf("reading the capabilities of this process: %w", err)
			}
			return caps, nil
		}
	}
	return 0, errors.New("reading the capabilities of this process: /proc/self/status has no CapEff")
}

// lockdownMode is the kernel's lockdown, where securityfs is mounted.
func lockdownMode() string {
	raw, err := os.ReadFile("/sys/kernel/security/lockdown")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(raw), "[")
	mode, _, _ := strings.Cut(rest, "]")
	return mode
}

func kernelRelease() string {
	var uts unix.Utsname
	if unix.Uname(&uts) != nil {
		return ""
	}
	return unix.ByteSliceToString(uts.Release[:])
}
