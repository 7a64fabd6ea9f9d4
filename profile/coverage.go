package profile

// IsComplete reports whether the absence of something in s means anything.
func (s Source) IsComplete() bool {
	return s.Kind == KindObserved && s.Complete && (s.Vouched || s.Lost.Known && s.Lost.Events == 0)
}

// Complete reports whether some observed source is complete.
func (p *Profile) Complete() bool {
	for _, s := range p.Sources {
		if s.IsComplete() {
			return true
		}
	}
	return false
}

// Observes is what at least one complete source was able to see: Observes...
// constants.
func (p *Profile) Observes() map[string]bool {
	set := map[string]bool{}
	for _, s := range p.Sources {
		if s.IsComplete() {
			for _, o := range s.Observes {
				set[o] = true
			}
		}
	}
	return set
}
