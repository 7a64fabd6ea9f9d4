// Package hubble turns the flows of Cilium's Hubble into a runtime profile: what
// hubble observe -o json (or jsonpb) prints, and the files of its exporter. Field
// names are those of the project's flow.proto.
//
// A flow has two ends. What a workload sends out are its connections and what
// comes in are those it accepted; which workload is meant is chosen like a
// container, by the name of its workload or pod. Replies are left out, since
// their ports are swapped, and so are flows that do not tell whether they are
// one. Of the points at which one connection was observed the first counts.
// Dropped flows are connections with the result denied.
//
// Flows are of pods: there is no executable, no container and no image, names
// only where the DNS proxy saw them, and old flows fall out of a ring buffer. A
// source therefore never claims attribution, and is complete only where its user
// vouches for it and it does not tell of lost events itself.
package hubble
