// Package tracee turns the JSON events of Aqua Tracee into a runtime profile: the
// generation that its documentation calls v1beta1.Event, in which name, workload
// and data are members. The older one, with eventName and args, is refused with a
// message.
//
// sched_process_exec has program, script, #! interpreter and ELF loader in one
// event. Files come from the security hooks, which see every way to open one;
// failed look-ups from events of system calls. Connections, listening sockets and
// DNS messages belong to the process of their event.
//
// Events of a container that had not started are the runtime's and left out. A
// process whose parent is outside of the container was started by the runtime:
// the first is the entrypoint; others are of origin attach where they have a
// terminal, and unknown otherwise.
//
// Tracee keeps 20 components of a path: what has that many may lack its front and
// is left out. Lost events are not in the stream, so that a source is complete
// only where its user vouches for it.
package tracee
