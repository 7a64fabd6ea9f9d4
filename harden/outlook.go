package harden

import "github.com/lathe-build/lathe/layers"

// Outlook is what the level after a plan's would leave of the image: as much as
// a report says of it, without a record for every entry.
type Outlook struct {
	Level       Level
	Bytes       int64 // of content in all layers
	Files       int   // regular files and hard links of the root filesystem
	Executables int   // programs, scripts and applets
	Packages    int
}

// outlook decides once more, at the next level, with what the survey found. It
// gives nil after the last level, and where that level would be refused. What
// was decided before is gone then.
func (p *planner) outlook(of []int32) (*Outlook, error) {
	p.findings, p.early = nil, 0
	next := p.pol.Level.Next()
	var err error
	switch {
	case next == "", next == Packages && p.db.ReadOnly() && !p.pol.AllowStaleRPMDB:
		return nil, nil //nolint:nilnil // nothing to say is no error
	case next == Files:
		err = p.decideFiles()
	default:
		err = p.decidePackages()
	}
	if err != nil {
		return nil, err
	}
	if p.refused() {
		return nil, nil //nolint:nilnil // likewise
	}
	edits, err := p.databaseEdits()
	if err != nil {
		return nil, err
	}
	return p.measure(next, of, edits), nil
}

// refused tells whether the latest decision would be.
func (p *planner) refused() bool {
	if p.conflicts() != nil {
		return true
	}
	p.checkStarts()
	return len(p.refusals) > 0
}

// measure counts what the latest decision leaves. For each entry it is told the
// position of its path.
func (p *planner) measure(level Level, of []int32, edits map[string][]byte) *Outlook {
	o := &Outlook{Level: level}
	stays := make([]bool, len(of))
	for e := range p.tree.Entries() {
		why, kept := aside(p.tree, e)
		if why.Kind == "" {
			f := p.order[of[e.ID]]
			if kept = f.kept; kept {
				o.count(f, e)
			}
		}
		if stays[e.ID] = kept; !kept {
			continue
		}
		if content, ok := edits[e.Path]; ok {
			o.Bytes += int64(len(content))
		} else {
			o.Bytes += e.Size
		}
	}
	carried := map[int]bool{}
	for e := range p.tree.Entries() {
		if e.Type == layers.HardLink && stays[e.ID] && e.Data >= 0 && !stays[e.Data] && !carried[e.Data] {
			carried[e.Data] = true
			o.Bytes += p.tree.Entry(e.Data).Size
		}
	}
	for _, g := range p.pkgs {
		if p.listed(g) {
			o.Packages++
		}
	}
	return o
}

func (o *Outlook) count(f *file, e layers.Entry) {
	if e.Type == layers.Regular || e.Type == layers.HardLink {
		o.Files++
	}
	if f.tool() || f.applet != "" {
		o.Executables++
	}
}
