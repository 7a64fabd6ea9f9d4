// Package drift compares hints with later evidence and with each other.
//
// # Audit
//
// A [Judge] classifies each connection that a later profile, or a stream of
// events, saw ([Judge.Class]). It compares what peers are, not which address
// they had that day: names first, then labels, then addresses. Who made the
// connection counts as much as where it went: a tool that hardening dropped and
// that is seen again is drift even where the policy allows its connection.
//
// # Check
//
// [Check] asks the policy itself, by the evaluator that guards its making, and
// tells what would be blocked although somebody who stays needs it from what is
// blocked on purpose. [Policies] does the same for the policies that a cluster
// has already.
//
// # Difference
//
// [Diff] compares what two hints allow as sets of connections (addresses or
// labels, times ports), not as text: a rule that was split in two is no
// difference, and one whose block doubled is a wider one. Differences of
// address blocks are exact.
//
// Nothing here reads files, the network or a clock.
package drift
