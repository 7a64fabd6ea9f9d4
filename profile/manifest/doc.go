// Package manifest turns Kubernetes manifests into declared evidence: what a
// workload will run, whether or not a recorder ever saw it.
//
// It reads Pods and everything that has a template of them: Deployment,
// StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob. Of
// one container it takes command and arguments, exec probes, lifecycle hooks,
// ports, working directory, mount points and security context, as the API of
// Kubernetes has them (core/v1 Container). Probes run once a minute and hooks
// at the end of a life: recordings miss them.
//
// A program without a directory is looked for in PATH: where it is not known
// which of its directories has it, all of them are named, and those that are
// not there mean nothing. Wrappers and the commands of a shell's -c are read
// with the same reader as an image's config. Values of environment variables
// are used where the manifest has them.
//
// Programs of probes and hooks have the origin probe. Where Kubernetes can do
// without a program what they do, a note of the source says how.
package manifest
