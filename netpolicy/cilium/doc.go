// Package cilium holds what a CiliumNetworkPolicy is, as far as hints need it,
// and the checks of Cilium's agent.
//
// The format is that of cilium.io/v2 as Cilium 1.20 has it. Two things differ
// from a core policy and decide how [Policy] is made:
//
// A direction without rules is open, and one with an empty list of rules is
// refused by the agent although the server takes it. What denies a direction is
// one rule that selects nothing: an empty one, without ports. With ports the
// same rule would allow every destination on them, so [Policy.Validate] refuses
// rules that have ports and no peer.
//
// The server checks less than the agent does, and a policy that only the agent
// refuses is silently without effect. Validate therefore repeats the agent's
// checks: one kind of peer a rule, forty ports a rule, names that are names.
package cilium
