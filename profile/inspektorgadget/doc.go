// Package inspektorgadget turns what the gadgets of Inspektor Gadget print into
// a runtime profile.
//
// [Import] reads the JSON of trace_exec, trace_open, trace_tcp, trace_bind,
// trace_dns, trace_sni and trace_capabilities, of one gadget a file or mixed, a
// record a line (-o json) or pretty, and the flat records of the gadgets before
// image-based ones. [ImportPolicies] reads the NetworkPolicies of
// advise_networkpolicy. What advise_seccomp prints is an OCI seccomp profile and
// no format of this package. Field names are those of the project's gadgets and
// of its documentation.
//
// # What is kept
//
// Only trace_exec names executables. Everything else has the pid, by which it is
// joined with the executions of the same import, at the time of the record: the
// files may come in any order. A script's exepath is its interpreter and its
// file the script. The ELF loader is in no gadget.
//
// The container runtime starts the first process, probes, and what people run by
// exec. The first is the entrypoint; of the others those with a terminal are of
// origin attach and the rest unknown, since nothing tells a probe from a person
// who runs one command.
//
// TLS names of trace_sni have no address. They are names of the connection that
// the same process made last.
//
// # What it cannot see
//
// trace_open hooks open and openat only. trace_bind is not listen.
// trace_capabilities shows checks, not needs. advise_networkpolicy sees IPv4, and
// UDP up to port 1023, and no executable. Lost events are warnings on the
// gadget's standard error, not records, so that a source is complete only where
// its user vouches for it.
package inspektorgadget
