package record

import (
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// healthcheck is the command line of an image's healthcheck, nil without one
// (docker's image configuration, Healthcheck.Test).
func healthcheck(h *v1.HealthConfig, shell []string) []string {
	if h == nil || len(h.Test) < 2 {
		return nil
	}
	switch h.Test[0] {
	case "CMD":
		return h.Test[1:]
	case "CMD-SHELL":
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return append(slices.Clone(shell), h.Test[1])
	}
	return nil
}
