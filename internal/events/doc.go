// Package events makes streams of events as recorders print them, for tests and
// benchmarks of importers, and the structs that an importer with encoding/json
// would decode them into.
//
// The events have the sizes that real ones have: 2.2 KB of Tetragon's executions
// and 1.7 KB of its functions, 0.9 KB of Inspektor Gadget, 1.0 KB of Tracee and
// of Hubble. What tells events apart differs from each to the next, as in real
// logs: times, processes, threads, ports. A workload does the same things again
// and again: only so many events are of something new.
package events
