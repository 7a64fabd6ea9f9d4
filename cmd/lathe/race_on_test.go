//go:build race

package main

// withRace says that the race detector takes memory of its own.
const withRace = true
