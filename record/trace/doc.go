// Package trace records what the processes of one container do, with eBPF.
//
// [Start] loads a few programs on BTF raw tracepoints: the exit of system
// calls, executions, forks and ends of processes, and, where the kernel has
// them, states of TCP sockets, checks of capabilities and requests of io_uring.
// They load on kernels that refuse function hooks. [Supported] says in one line
// why a machine cannot record.
//
// # What counts
//
// A process counts from its first execution in the container's mount namespace,
// and with it all its descendants. What a runtime does while it sets the
// container up, or before it executes a healthcheck in it, is therefore not
// recorded, nor are the capabilities that it needs for that.
//
// # Paths
//
// The string that a program asked for is read when the call returns, together
// with the directory that it is relative to. What was opened, mapped, listed or
// executed is known by a walk from the kernel's own object up to the root of
// the mount namespace, so that it is the path in the container whatever the
// storage driver; both are in the profile. Where a call gives no object, as
// stat, [Options.Resolve] finds what the string leads to in the image.
//
// # Loss
//
// The kernel side remembers what it sent and sends it once for each executable
// and phase. It marks an event as sent only after the ring took it, so that one
// which was lost is sent again when it happens again. Executions wake the reader,
// and so does a ring that fills up; for all else it looks ten times a second, since
// waking it costs the recorded more than the event. Everything that could
// hide a fact is counted, and the profile is complete only where all counters
// are zero and nothing ran before or after the recording.
//
// # Not seen
//
// The ELF interpreter of a program is opened by the kernel ([Options.Loader]
// tells it). Scripts that interpret other scripts are known by the command line
// only, of which the first kilobyte is read. Whether a request of io_uring
// succeeded is not known. A thread that changes a path while its call runs can
// hide the true one.
package trace

//go:generate make -s -B -C bpf
//go:generate go run ../../internal/syscallnames
