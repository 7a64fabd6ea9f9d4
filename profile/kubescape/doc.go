// Package kubescape turns the objects of kubescape's node agent into a profile.
//
// It knows ApplicationProfile, NetworkNeighborhood and ContainerProfile (one an
// object, and grouped as people write it) of the API group
// spdx.softwarecomposition.kubescape.io/v1beta1, as the cluster gives them and
// as the storage component keeps them, with Go's field names and the metadata
// at the top. Field names match whatever their case. The source of the format
// is the storage component's own types.
//
// # What the objects mean
//
// An entry of opens says that a path was asked for, not that it is there: the
// agent records failed opens and does not mark them. The source therefore does
// not claim [profile.ObservesOpenFailed], and [profile.Bind] counts what an
// image does not have as missing.
//
// Wildcards have three meanings. In paths, ⋯ is one segment or a part of one
// and * any number of segments; both become a [profile.Pattern], an upper
// bound. In the arguments of execs, ⋯ and ⋯⋯ are wildcards and * is a literal
// star. In names of peers, a leading ⋯ or * is one label.
//
// The path of an exec is, by version, the program that the kernel started (of a
// script its interpreter, with the script in the second argument; of an applet
// the multi-call binary, with the applet in the first) or the first argument as
// it was typed, or the name of the thread. All of these are understood; names
// without a directory become patterns of executions.
//
// What the agent cannot see: the ELF loader, mapped libraries as such, which
// program opened a file or a connection, listening sockets, anything but open
// and openat. What the container runtime did in the container is in it, and
// what people did with kubectl exec: nothing tells these from the workload.
package kubescape
