// Package sandbox runs an image in a container of its own, through an installed
// runc or crun and without a daemon.
//
// [Open] unpacks the merged root filesystem of a [layers.Tree] once. Every name
// is created through a handle on the new root, so that nothing in an image
// leads out of it, and devices are never made. [Box.Start] puts an overlay on
// what was unpacked, so that every start is a fresh one, or one on the
// [Store] of an earlier start.
//
// A container gets what docker gives by default: the same capabilities, system
// call filter, masked paths and devices, and no mounts of the host but those
// that were asked for. The runtime is called as create and start; between the
// two [Options.Created] learns the process, so that a recorder is in place
// before the first instruction of the image runs.
//
// # Network
//
// The container's network namespace has a single interface. Behind it stands a
// TCP/IP stack in this process (gVisor's), which opens an ordinary socket for
// every connection that leaves. Neither the firewall nor an interface of the
// host is ever touched, and a connection that the host could not make fails in
// the container in the same way: what is recorded is what happened.
// [Options.Links] go through the same stack, and published ports are listeners
// on the host that connect through it.
//
// # Cleaning up
//
// Overlays are mounted in a mount namespace that belongs to one thread of this
// process; network namespaces are held by a descriptor. Both end with the
// process, however it ends. A container, its control group and its files can
// outlive a killed process: each is listed in a directory with a lock, and the
// next [Open] removes those that nobody holds. The package makes the process
// the reaper of its orphans (PR_SET_CHILD_SUBREAPER) to learn how a container
// ended.
package sandbox
