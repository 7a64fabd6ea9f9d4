//go:build !linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/lathe-build/lathe/record"
)

// recordings says that nothing can be recorded here.
func (o *options) recordings(ctx context.Context) (*recordings, error) {
	err := record.CanTrace(ctx)
	fmt.Fprintf(os.Stderr, "\nbench: NOT MEASURED, what recording costs: %v\n\n", err)
	return &recordings{Missing: fmt.Sprint(err)}, nil
}

func runLoad([]string) error { return errors.New("there is nothing to ask") }
