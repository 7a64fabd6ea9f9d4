package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary a lathe of its own: scripts and the tests of
// signals run it as a process.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lathe": func() {
		code := run()
		tellPeak()
		os.Exit(code)
	}})
}
