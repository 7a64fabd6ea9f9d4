// Package harden decides for every path of an image whether it stays, and why.
//
// [NewPlan] is a pure function of an image's [layers.Tree], its config, a
// runtime profile and a [Policy]. It works in two steps. A worklist starts from
// what was used: executed and read files of the profile, the config's commands,
// the user's keep rules. From each file that stays, edges lead to what it needs:
// links, script interpreters, the ELF interpreter and libraries, libraries
// loaded by name, the other files of its package. Each edge is a function in a
// file of its own (rule_*.go). The worklist is breadth first from sorted roots,
// so the first reason of a path is the shortest chain, and nothing depends on
// the order of maps.
//
// Then every path gets its [Decision]. The rules are named R1 to R8:
//
//   - R1, R2: what a program or a script is, and what it means to use one.
//   - R3, R4: what a file needs by linking, and what it loads by name.
//   - R5 to R7: a package whose code is used stays coherent, without its unused
//     programs; one that only served data keeps that data; packages of data and
//     of modules follow those that depend on them.
//   - R8: files that no package owns.
//
// A Plan is data: reports, explanations, policies and attestations read it, and
// [Apply] carries it out. It never says more than it can prove: a plan that
// would not start is a [Refusal].
package harden
