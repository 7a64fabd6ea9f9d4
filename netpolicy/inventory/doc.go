// Package inventory answers what is behind an address in a cluster, from files.
//
// A [Cluster] is read from what kubectl prints, with no access to the cluster:
//
//	kubectl get pods,svc,endpointslices,ns,nodes -A -o json
//
// Deployments, StatefulSets and DaemonSets in the same list make selectors
// better: those that own a pod say by which labels. Several files add up, and
// show when an address changed hands. Anything else in the list is passed over.
//
// [Cluster.Find] turns an address and port into [Target]s. A Service becomes the
// pods that its own selector selects, on the port that they listen on; without a
// selector, the addresses behind it; the API server's, the API server. A pod
// becomes the labels by which its owner selects it, or those that all replicas
// share and that no controller changes. A pod on its node's network, and a
// node, are addresses. What two objects claim is ambiguous, and said to be, not
// guessed. A selector is never empty.
//
// A [Mapping] is the same by hand, and goes before.
//
// The format of objects is that of the Kubernetes API, version 1.34. Unknown
// fields are passed over; labels, addresses and ports that no API server hands
// out are errors that name the object.
package inventory
