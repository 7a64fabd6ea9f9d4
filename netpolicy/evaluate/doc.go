// Package evaluate decides about single connections as network policies do.
//
// [Core] reads a NetworkPolicy of the core API and [Cilium] a
// CiliumNetworkPolicy; both become one [Evaluator]. A direction that the policy
// does not restrict is open; in one that it does, a [Packet] needs a rule with a
// matching peer and port.
//
// Addresses are those after the translation of Services, as plugins see them.
// The forms differ in what an address block is about: in a core policy it may
// be about anything with that address, in Cilium's not about pods and nodes,
// which are known by labels and entities there. Packets say what is known of a
// peer, and each form uses its part of it.
//
// Blocks and labels are looked up, so that a decision takes about the same time
// for one rule and for ten thousand.
package evaluate
