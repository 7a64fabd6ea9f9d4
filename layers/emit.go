package layers

import (
	"context"
	"fmt"
	"io"
)

// emit writes the entries of a layer that stay. Runs of entries that are the
// same bytes as in the input are copied in one go.
func (s *script) emit(ctx context.Context, layer int, w *layerWriter, stats *Stats) error {
	f := s.t.b.layers[layer]
	em := &emitter{s: s, w: w, stats: stats, in: s.t.spooled[layer]}
	for i := f.first; i < f.first+f.count; i++ {
		if s.drop[i] || s.moved[i] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		for todo := []int{i}; len(todo) > 0; todo = todo[1:] {
			if err := em.entry(todo[0]); err != nil {
				return fmt.Errorf("%q: %w", s.t.b.entries[todo[0]].name, err)
			}
			stats.Moved += len(s.behind[todo[0]])
			todo = append(todo, s.behind[todo[0]]...)
		}
	}
	if err := em.flush(); err != nil {
		return err
	}
	_, err := w.Write(make([]byte, 2*block))
	return err
}

type emitter struct {
	s        *script
	w        *layerWriter
	in       *spooled
	stats    *Stats
	from, to int64 // run of raw bytes not yet written
}

// entry writes one entry: as it is, or with the edit that it needs.
func (m *emitter) entry(id int) error {
	e := &m.s.t.b.entries[id]
	if content, ok := m.s.replace[id]; ok {
		m.stats.Replaced++
		edit := headerEdit{size: int64(len(content)), global: e.global()}
		if e.typ == HardLink {
			edit.flag, edit.setLink = '0', true
		}
		return m.encoded(e, edit, content)
	}
	if data, ok := m.s.carrier[id]; ok {
		m.stats.Promoted++
		return m.promote(e, &m.s.t.b.entries[data])
	}
	if target, ok := m.s.relink[id]; ok {
		m.stats.Relinked++
		return m.encoded(e, headerEdit{size: -1, link: m.s.linkName(target), setLink: true, global: e.global()}, nil)
	}
	if e.global() != nil {
		m.stats.Folded++
		if err := m.header(e, headerEdit{size: -1, global: e.global()}); err != nil {
			return err
		}
		return m.raw(e.content(), e.end())
	}
	return m.raw(e.off, e.end())
}

// raw adds bytes of the input archive to the output.
func (m *emitter) raw(from, to int64) error {
	if from == m.to {
		m.to = to
		return nil
	}
	if err := m.flush(); err != nil {
		return err
	}
	m.from, m.to = from, to
	return nil
}

func (m *emitter) flush() error {
	if m.to > m.from {
		if err := m.w.copyFrom(io.NewSectionReader(m.in.tar, m.from, m.to-m.from)); err != nil {
			return err
		}
	}
	m.from, m.to = 0, 0
	return nil
}

// header writes the headers of an entry with an edit.
func (m *emitter) header(e *entry, edit headerEdit) error {
	if err := m.flush(); err != nil {
		return err
	}
	raw, c, err := m.s.t.headers(e)
	if err != nil {
		return err
	}
	_, err = m.w.Write(edit.apply(raw, c))
	return err
}

func (m *emitter) encoded(e *entry, edit headerEdit, content []byte) error {
	if err := m.header(e, edit); err != nil {
		return err
	}
	if _, err := m.w.Write(content); err != nil {
		return err
	}
	return m.pad(int64(len(content)))
}

func (m *emitter) pad(size int64) error {
	_, err := m.w.Write(make([]byte, -size&(block-1)))
	return err
}

// promote turns a hard link into the entry that carries the content.
func (m *emitter) promote(link, data *entry) error {
	flags := map[Type]byte{Regular: '0', Symlink: '2', CharDevice: '3', BlockDevice: '4', FIFO: '6'}
	edit := headerEdit{flag: flags[data.typ], size: data.size, link: data.link(), setLink: true, global: link.global()}
	if data.typ == CharDevice || data.typ == BlockDevice {
		raw, c, err := m.s.t.headers(data)
		if err != nil {
			return err
		}
		edit.device = raw[c.main+deviceOff : c.main+deviceOff+deviceLen]
	}
	if err := m.header(link, edit); err != nil {
		return err
	}
	if data.typ != Regular {
		return nil
	}
	content, err := m.s.t.Content(int(data.id))
	if err != nil {
		return err
	}
	if err := m.w.copyFrom(content); err != nil {
		return err
	}
	return m.pad(data.size)
}

// headers reads the raw header blocks of an entry back from the spool.
func (t *Tree) headers(e *entry) ([]byte, *chain, error) {
	raw := make([]byte, e.head)
	if _, err := t.spooled[e.layer].tar.ReadAt(raw, e.off); err != nil {
		return nil, nil, fmt.Errorf("reading headers back: %w", err)
	}
	c, err := parseChain(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("reading headers back: %w", err)
	}
	return raw, c, nil
}
