// Package record makes a runtime profile of an image, and proves a hardened
// image with one.
//
// [Run] starts the image in a container of its own (package sandbox), once for
// every test and once for every start scenario, each under a recorder that is
// in place before the first instruction. A test is a command on the host that
// finds the container's addresses in its environment, see [Environment]. The
// profiles of all runs that succeeded are merged into one.
//
// Start scenarios see the branches of start scripts that one start does not
// take: a restart on the same volumes, volumes of another user, /run and /tmp
// on a tmpfs. One that fails on the original image says nothing about it and is
// left out.
//
// [Attach] records a container that runs already.
//
// [Examine] is the proof: it compares what a run of the hardened image asked
// for in vain with what hardening dropped. It does no input and output.
package record
