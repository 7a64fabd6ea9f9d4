package main

import (
	"runtime"
	"runtime/debug"
)

// The memory that a run may use, as docs/limits.md has it.
const (
	memoryBase   = 64 << 20
	memoryWorker = 32 << 20
	memoryEntry  = 1 << 10

	// What the Go runtime does not count: the program itself.
	memoryProgram = 32 << 20

	// Up to here what is alive comes close to the budget. Above, holding the
	// collector to it would cost more time than the memory is worth.
	memoryEntries = 320_000
)

// holdMemory has the garbage collector keep a run within its budget. It only
// works harder when the heap comes near: most runs never see the difference.
func holdMemory(entries int) {
	if entries > memoryEntries {
		return
	}
	workers := int64(runtime.GOMAXPROCS(0))
	debug.SetMemoryLimit(memoryBase + memoryWorker*workers + memoryEntry*int64(entries) - memoryProgram)
}
