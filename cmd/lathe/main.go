// Command lathe hardens container images to the profile of what they really run.
//
// Each command is one file: flags fill an options struct, and a run function
// takes it from there. Errors become exit codes in one place, exit.go.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := notify(context.Background())
	defer stop(nil)
	env := &environment{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		terminal: isTerminal(os.Stderr) && !isDumb(), colour: isTerminal(os.Stdout) && !isDumb() && os.Getenv("NO_COLOR") == "",
	}
	return execute(ctx, env, os.Args[1:])
}

// notify gives a context that a signal ends, with the signal as its cause. A
// second signal kills the process.
func notify(parent context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		cancel(signalError{<-signals})
		signal.Stop(signals)
	}()
	return ctx, cancel
}

// isDumb tells whether the terminal says that it can only append.
func isDumb() bool { return os.Getenv("TERM") == "dumb" }
