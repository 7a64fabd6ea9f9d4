package harden

import (
	"context"
	"errors"
	"fmt"

	"github.com/lathe-build/lathe/layers"
)

// ErrStalePlan says that a plan was made for another image than the one at hand.
var ErrStalePlan = errors.New("the plan was made for another image")

// Apply carries a plan out. The plan must come from [NewPlan] of the same tree:
// a plan that was read from a file has no new database contents.
func Apply(ctx context.Context, t *layers.Tree, pl *Plan, opts ...layers.Option) (*layers.Result, error) {
	if t.Len() != pl.Records.Len() {
		return nil, fmt.Errorf("%w: %d entries, %d records", ErrStalePlan, t.Len(), pl.Records.Len())
	}
	for e := range t.Entries() {
		if r := pl.Records.At(e.ID); r.Path != e.Path || r.Layer != e.Layer {
			return nil, fmt.Errorf("%w: entry %d is %q, the plan has %q", ErrStalePlan, e.ID, e.Path, r.Path)
		}
	}
	return layers.Rewrite(ctx, t, func(e layers.Entry) layers.Edit {
		switch r := pl.Records.At(e.ID); r.Action {
		case ActDrop:
			return layers.Edit{Drop: true}
		case ActRewrite:
			return layers.Edit{Replace: true, Content: r.content}
		default:
			return layers.Edit{}
		}
	}, opts...)
}
