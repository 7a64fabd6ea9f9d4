// Package tetragon turns the JSON export of Cilium Tetragon into a runtime
// profile.
//
// It reads what tetra getevents -o json prints and what the agent writes to
// tetragon.log: one event a line. Field names are those of the project's
// api/v1/tetragon/tetragon.proto; process_connect and process_listen are of its
// enterprise edition.
//
// # What is kept
//
// process_exec gives executables under the path as called: for a script that is
// the script, and neither its interpreter nor the ELF loader is in the event.
// Every other event holds the whole process that caused it, so that what it
// does belongs to that executable without a table. Functions that policies hook
// are kept as [Understands] says; others are counted.
//
// Processes that the kubelet started as a probe are of origin probe, others
// outside of the container's first process tree (kubectl exec) of origin attach.
//
// # What it observes
//
// Executions always. Of files and sockets an export holds what its policies
// select, and does not say what they leave out. So only the events of policies
// whose names start with "lathe-", as the recipe's do, make the source claim
// that it would have seen others of their kind.
//
// # Completeness
//
// The export tells two ways in which it is not whole: processes that existed
// before the agent (procFS) and events that were dropped by its rate limit.
// Such a source is not complete, whatever its user says. Losses in the kernel's
// ring buffer and export filters leave no mark, so that a source is complete
// only where its user vouches for it.
package tetragon
