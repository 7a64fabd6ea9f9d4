// Package strace turns the text that strace writes into a runtime profile.
//
// [Import] reads the log of one run: one file of "strace -f", or the files of
// "strace -ff". It knows the columns of -t, -tt, -ttt, -r, -i, -n and -T, file
// descriptors with and without -y or -yy, --decode-pids=comm, calls that are cut
// in two by <unfinished ...>, and octal and hexadecimal escapes. Log lines are
// folded as they are read: memory follows distinct paths and peers.
//
// The recommended command line keeps everything that a profile can hold:
//
//	strace -f -ttt -y -yy -s 4096 -o LOG COMMAND
//
// # What is kept
//
// A process is followed from the call that made it, so that working
// directories, descriptors and executables are known without -y as well. What a
// process does belongs to the last program that it executed, under the path as
// called: neither the interpreter of a script nor the ELF loader is in a log.
// Where -y tells what a descriptor refers to, that is the file's path and the
// call's argument goes into via. Relative paths are made absolute, and "." and
// doubled slashes go, but ".." stays: what it means is for the image to say.
// Arguments and environments of programs are not kept, save the base name of
// argv[0].
//
// # Which processes count
//
// Everything before the container's own program is noise: the recorder's shell,
// chroot, a container runtime. [Options.Entrypoint] names the program. Without
// it, a chroot or pivot_root by a well-known wrapper marks the next program
// that this process executes. Without either, everything counts.
//
// # Phases
//
// A run starts up until some process listens, accepts, or receives on a socket
// that it bound, or until [Options.ServingAfter] has happened. From then on it
// serves, until SIGTERM, SIGINT or SIGQUIT reaches its first process.
// Containers that listen for their own sake while they initialize (databases
// do) are therefore said to serve too early, never too late. In files of -ff
// without times, phases are a guess, since the files have no common order.
//
// # Completeness
//
// strace does not say what it lost and its filters (-e) leave no mark, so a
// source is complete only if [Options.Complete] says so, and observes only the
// kinds of calls that are in the log, or all of them where the log holds calls
// that no filter names. Operations of io_uring are never seen.
package strace
