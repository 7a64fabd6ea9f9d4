package evaluate

import (
	"iter"
	"net/netip"
	"slices"
)

// Blocks finds values by the address blocks that they are for. The zero value is
// empty.
type Blocks[T any] struct {
	at      map[netip.Prefix][]T
	lengths []int
}

// Add puts a value under a block.
func (b *Blocks[T]) Add(block netip.Prefix, v T) {
	if b.at == nil {
		b.at = map[netip.Prefix][]T{}
	}
	block = block.Masked()
	b.at[block] = append(b.at[block], v)
	if !slices.Contains(b.lengths, block.Bits()) {
		b.lengths = append(b.lengths, block.Bits())
	}
}

// Holding are the values of the blocks that hold an address, in no order.
func (b *Blocks[T]) Holding(a netip.Addr) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, bits := range b.lengths {
			block, err := a.Prefix(bits)
			if err != nil {
				continue // of the other family
			}
			for _, v := range b.at[block] {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// Hold reports whether a block holds an address.
func (b *Blocks[T]) Hold(a netip.Addr) bool {
	for range b.Holding(a) {
		return true
	}
	return false
}

// Selectors finds values by the labels that pods must have. Each is kept under
// one of its labels only, the one that the fewest others have, so that what many
// pods have in common leads nowhere. The zero value is empty.
type Selectors[T any] struct {
	added []selected[T]
	by    map[string][]selected[T]
}

type selected[T any] struct {
	namespace string
	must      map[string]string
	value     T
}

// Add puts a value under labels of pods in a namespace. Without labels it is for
// every pod there.
func (s *Selectors[T]) Add(namespace string, must map[string]string, v T) {
	s.added = append(s.added, selected[T]{namespace, must, v})
	s.by = nil
}

func labelKey(namespace, key, value string) string { return namespace + "\x00" + key + "\x00" + value }

// Index makes [Selectors.Of] find what was added.
func (s *Selectors[T]) Index() {
	have := map[string]int{}
	for _, v := range s.added {
		for k, l := range v.must {
			have[labelKey(v.namespace, k, l)]++
		}
	}
	s.by = make(map[string][]selected[T], len(s.added))
	for _, v := range s.added {
		best := ""
		for k, l := range v.must {
			key := labelKey(v.namespace, k, l)
			if best == "" || have[key] < have[best] || have[key] == have[best] && key < best {
				best = key
			}
		}
		if best == "" {
			best = v.namespace
		}
		s.by[best] = append(s.by[best], v)
	}
}

// Of are the values that may be for a pod of a namespace with some labels: one
// of the labels that they must have is among these.
func (s *Selectors[T]) Of(namespace string, labels map[string]string) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, v := range s.by[namespace] {
			if !yield(v.value) {
				return
			}
		}
		for k, l := range labels {
			for _, v := range s.by[labelKey(namespace, k, l)] {
				if !yield(v.value) {
					return
				}
			}
		}
	}
}
