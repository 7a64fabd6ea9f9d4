// Package netpolicy turns a runtime profile into a network-policy hint: what
// the executables that stay in a hardened image need of the network, and a
// Kubernetes NetworkPolicy that allows exactly that.
//
// # From observation to rule
//
// [New] reads the network section of a profile once. Every entry becomes a
// flow (direction, address, protocol, port) or is ignored as noise: loopback,
// the pod's own address, multicast, unix sockets, UDP connects without a
// packet, failed attempts, replies. A flow is then attributed. One that a kept
// executable made becomes a rule; one that only dropped executables made is
// listed as tightened; one of an executable that the image does not hold
// (kubectl exec, memfd, a volume) is listed as foreign; one that nobody can
// attribute stays a rule with a warning, because leaving it out may break the
// workload, unless [Options.Strict] says otherwise.
//
// Equal port sets of several addresses become one rule. Addresses are joined
// to larger blocks only without loss: both halves of a block must be there. A
// hint is therefore never wider than its evidence, with two exceptions that
// are needed for a policy to work and are said: DNS is allowed over UDP and TCP
// as soon as a kept executable asks for names, and a port that was listened on
// is open to any source until the sources are known.
//
// # Directions
//
// A direction is restricted when it has a rule or when a complete source could
// see it ([profile.Source.IsComplete]): then what was not observed is denied.
// A direction that no complete source could see and that has no rule is left
// out of policyTypes: absence of evidence is no evidence.
//
// # Peers
//
// Where an inventory of the cluster or a mapping by hand says what is behind an
// address ([Options.Cluster], [Options.Mapping]), a flow is turned into what a
// plugin sees of it before it is attributed: a Service into its pods and the
// port that they listen on. Two addresses of the same pods are then one flow.
// What nothing identifies stays an address.
//
// # Model and renderings
//
// A [Hint] is plain data and the only source of the renderings. Its JSON is
// canonical; [ParseHint] reads it back strictly. [Render] makes a policy of it in
// one of its [Forms]. Peers are of a [PeerKind]; whatever learns to identify an
// address adds kinds, and forms render them, while flows and attribution stay.
//
// # Self-check
//
// Before New returns, a built-in evaluator (package evaluate) must, in every form,
// allow every flow that became a rule and deny every one that was tightened,
// foreign, omitted or failed, the neighbours of every allowed address and
// port and pod, and a set of canaries; and a validator must accept the policy that
// repeats the checks of a real API server. Otherwise the error is
// [ErrSelfCheck] and there is no hint.
//
// The same profile, fates and options give the same bytes, in whatever order
// the profile's entries are. No clock, file or network is used.
package netpolicy
