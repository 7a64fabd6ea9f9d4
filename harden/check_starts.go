package harden

import (
	"fmt"

	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// starts checks on an image, whatever its plan says, that the config's
// entrypoint, command and healthcheck are there with interpreters and libraries.
// A library that the source did not have either is no difference.
func (p *problems) starts(out *layers.Tree, pl *Plan) error {
	look, err := newPlanner(out, &profile.Profile{}, Policy{Level: Binaries})
	if err != nil {
		return fmt.Errorf("checking the config's commands: %w", err)
	}
	if err := look.survey(); err != nil {
		return fmt.Errorf("checking the config's commands: %w", err)
	}
	look.begin()
	for _, f := range look.order {
		f.kept = true
	}
	for _, f := range pl.Findings {
		if was := look.find(f.Path); f.Kind == libraryNotFound && was != nil {
			was.seen = true
		}
	}
	look.checkStarts()
	for _, reason := range look.refusals {
		p.add("%s", reason)
	}
	return nil
}
