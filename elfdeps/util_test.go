package elfdeps_test

import (
	"maps"
	"slices"
)

func sorted(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
