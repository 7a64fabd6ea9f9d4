package main

import (
	"runtime"
	"runtime/debug"
)

// The memory that a run may use, as docs/limitations.md has it.
const (
	memoryBase   = 64 << 20
	memoryWorker = 32 << 20
	memoryEntry  = 1 << 10

	// What the Go runtime does not count: the program itself.
	memoryProgram = 40 << 20
)

// holdMemory has the garbage collector keep a run within its budget. It only
// works harder when the heap comes near: most runs never see the difference.
func holdMemory(entries int) {
	workers := int64(runtime.GOMAXPROCS(0))
	budget := memoryBase + memoryWorker*workers + memoryEntry*int64(entries)
	// An eighth is for what is allocated while the collector is at work.
	debug.SetMemoryLimit((budget - memoryProgram) / 8 * 7)
}
