// Package seccomp turns seccomp profiles into evidence of system calls.
//
// It knows the JSON of the OCI runtime specification (config-linux.md, seccomp),
// which docker and Kubernetes' nodes read too, and kubescape's SeccompProfile,
// which holds one for each container.
//
// A profile says what is allowed, not what was seen: its source is declared,
// unless the user vouches that a recorder wrote it. The calls of the container
// runtime itself are among them. Calls that are allowed for some arguments only
// count as allowed.
package seccomp
