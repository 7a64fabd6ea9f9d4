// Package container runs images from OCI layouts for the end-to-end tests, the
// demo and the recording of the examples' profiles.
//
// [Unpack] makes a runtime bundle with umoci. [Start] runs a bundle under runc
// or crun in a network namespace of its own with nothing but the loopback in
// it; [Record] runs it under strace instead, from the very first exec. In both
// cases [Container.Get] speaks HTTP to it from inside that namespace, so that no
// port of the host is taken. All of this needs root and Linux.
package container
