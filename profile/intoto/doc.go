// Package intoto writes profiles as in-toto statements and reads them back.
//
// The predicate is runtime-trace v0.2 of the in-toto attestation framework
// (spec/predicates/runtime-trace.md): processes, connections and files in the
// fields that every consumer knows, and the whole profile in an extension field,
// which consumers that do not know it pass over. What is read back is the
// extension: a statement that has none holds too little to be a profile.
package intoto
