package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/record"
	"github.com/lathe-build/lathe/sign"
)

// The exit codes, as docs/exit-codes.md has them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitGate   = 3
	exitUnsafe = 4
)

// codedError is an error with an exit code of its own; all others are failures.
type codedError struct {
	code int
	err  error
}

func (e codedError) Error() string { return e.err.Error() }
func (e codedError) Unwrap() error { return e.err }

// usage is a wrong use of the command line.
func usage(format string, args ...any) error { return asUsage(fmt.Errorf(format, args...)) }

func asUsage(err error) error { return codedError{exitUsage, err} }

// gate says that something is not as it was asked to be.
func gate(format string, args ...any) error { return codedError{exitGate, fmt.Errorf(format, args...)} }

// unsafe says that a result could not be relied on.
func unsafe(format string, args ...any) error {
	return codedError{exitUnsafe, fmt.Errorf(format, args...)}
}

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal os.Signal }

func (e signalError) Error() string { return "stopped by " + e.signal.String() }

// exitCode is the one place that turns errors into exit codes.
func exitCode(ctx context.Context, err error) int {
	var sig signalError
	var coded codedError
	var conflict *harden.Conflict
	var refusal *harden.Refusal
	switch {
	case err == nil:
		return exitOK
	case errors.As(context.Cause(ctx), &sig):
		if n, ok := sig.signal.(syscall.Signal); ok {
			return 128 + int(n)
		}
		return exitFailed
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, image.ErrExists):
		return exitUsage
	case errors.As(err, &conflict):
		return exitGate
	case errors.As(err, &refusal), errors.Is(err, foreign.ErrImage):
		return exitUnsafe
	}
	return exitFailed
}

// hint says what to try next, or nothing.
func hint(err error) string {
	var refusal *harden.Refusal
	var conflict *harden.Conflict
	var limit *layers.LimitError
	switch {
	case errors.As(err, &refusal) && refusal.Fit:
		return "use a profile that was recorded on this image, or --rebase to use what it has in common with this one"
	case errors.As(err, &refusal) && refusal.Incomplete:
		return "import or record it with complete evidence (lathe profile import --complete vouches for a log), or use --trust SOURCE=exec,open or --allow-incomplete"
	case errors.As(err, &refusal) && refusal.RPM:
		return "use --level binaries, or --allow-stale-rpmdb, which the attestation records"
	case errors.As(err, &refusal):
		return "record the profile on this image, or keep what is needed with --keep"
	case errors.As(err, new(unsupportedError)) && !errors.Is(err, record.ErrUnsupported):
		return "record on a Linux machine where you are root and runc is installed, or import what strace saw: lathe profile import --help"
	case errors.As(err, &conflict):
		return "take the rule out, or answer the conflict in a policy (docs/policy.md)"
	case errors.As(err, &limit):
		return "if you trust the image, raise the limit"
	case errors.Is(err, profile.ErrForeign):
		return "make a profile of a recorder's log with lathe profile import"
	case errors.Is(err, foreign.ErrImage):
		return "name the image that ran with --image, or use --rebase to take the evidence all the same"
	case errors.Is(err, image.ErrExists):
		return "use --force to replace an earlier output"
	case errors.Is(err, errTagMoved):
		return "look at what they pushed; run it again, or use --force to replace it"
	case errors.Is(err, sign.ErrPassword):
		return "give the key's password in COSIGN_PASSWORD or with --password-fd"
	case errors.Is(err, sign.ErrKeyExposed):
		return "make it yours alone: chmod 600"
	case errors.Is(err, syscall.ENOSPC):
		return "make room, or point TMPDIR to a larger disk"
	case errors.Is(err, fs.ErrNotExist):
		return "check the path"
	}
	return ""
}

// complain prints an error on one line, and what to try next.
func complain(ctx context.Context, env *environment, err error) {
	var sig signalError
	if errors.As(context.Cause(ctx), &sig) {
		env.say("lathe: %v; nothing was written under the final name", sig)
		return
	}
	env.say("lathe: %s", oneLine(err.Error()))
	if h := hint(err); h != "" {
		env.say("  try: %s", h)
	}
}

// oneLine keeps messages on one line whatever is in them.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ';'
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0:
			return '?'
		}
		return r
	}, s)
}
