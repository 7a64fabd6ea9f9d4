// Package fold turns a stream of observations into a runtime profile.
//
// Every recorder and every importer of events has the same work left once it
// knows what one event means: to remember each fact once, with who, when and
// how often. A [Collector] does that for one [profile.Source]. An event costs a
// few look-ups; memory follows distinct facts, never the number of events, and
// ends at the [Limits].
//
// # What it guarantees
//
// The profile is valid. Observations that a profile cannot hold (relative
// paths, ports that are none, words that nobody knows) are refused and counted
// ([Collector.Refused]), so that one odd event does not spoil a recording.
//
// The profile does not depend on the order of events, save where an earlier
// one says what a later one means: names that were looked up before a
// connection was made ([Collector.DNS]), and what the limits left out.
//
// Paths that no image holds, such as those in /proc, are counted by their
// prefix and not kept.
//
// # Limits
//
// Facts beyond the limits are dropped and counted ([Collector.Lost]). An
// importer calls [Collector.Err] and fails; a recorder goes on and says in its
// source how much it lost.
package fold
