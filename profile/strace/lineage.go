package strace

import (
	"slices"
	"strings"
)

// find returns the process of a line, or nil where the line has to wait until
// it is known which process made its own.
func (t *tracer) find(l line) (*process, error) {
	if p, ok := t.processes[l.pid]; ok {
		return p, nil
	}
	if l.pid == 0 {
		if len(t.processes) == 1 { // strace names pids only while there are several
			for _, p := range t.processes {
				return p, nil
			}
		}
		return t.orphan(0), nil
	}
	if p := t.rename(l); p != nil {
		return p, nil
	}
	waits := len(t.waiting[l.pid]) > 0
	switch len(t.makers) {
	case 0:
		p := t.claim(l.pid)
		if !waits {
			return p, nil
		}
		t.ready = append(t.ready, l.pid) // the lines before this one come first
	case 1:
		if waits {
			break // its maker may be another one, and have returned since
		}
		for _, maker := range t.makers {
			return t.early(maker, l.pid), nil
		}
	}
	t.waiting[l.pid] = append(t.waiting[l.pid], l)
	if t.waitingBytes += len(l.body); t.waitingBytes > maxWaitingBytes {
		return nil, t.settleAll()
	}
	return nil, nil
}

// rename gives the process that had no pid the one of the line, unless the line
// is of a new process.
func (t *tracer) rename(l line) *process {
	p, ok := t.processes[0]
	if !ok || t.attached[l.pid] {
		return nil
	}
	if _, making := t.makers[0]; making && !strings.HasPrefix(l.body, "<... ") {
		return nil
	}
	delete(t.processes, 0)
	if _, making := t.makers[0]; making {
		delete(t.makers, 0)
		t.makers[l.pid] = p
	}
	p.pid = l.pid
	t.processes[l.pid] = p
	return p
}

// orphan makes a process whose maker is not in the log.
func (t *tracer) orphan(pid int) *process {
	p := &process{
		pid: pid, dirs: &dirs{cwd: join("", t.opts.Dir)}, files: &fileList{},
		inside: t.opts.Entrypoint == "" || t.entered, wrapper: len(t.processes) == 0, first: len(t.processes) == 0 && !t.entered,
	}
	if t.startDir != "" && p.wrapper {
		p.dirs.cwd, p.dirs.known = t.startDir, true
	}
	if t.entered {
		p.dirs.root = t.base
		p.dirs.cwd = join(t.base, t.opts.Dir)
	}
	t.processes[pid] = p
	return p
}

// claim gives a pid to the oldest process that was made and not heard of since:
// in a pid namespace, clone returns other numbers than strace prints.
func (t *tracer) claim(pid int) *process {
	for len(t.newborn) > 0 {
		p := t.newborn[0]
		t.newborn = t.newborn[1:]
		if p.seen || t.processes[p.pid] != p {
			continue
		}
		delete(t.processes, p.pid)
		p.pid = pid
		t.processes[pid] = p
		return p
	}
	return t.orphan(pid)
}

// early makes the process that maker is about to return.
func (t *tracer) early(maker *process, pid int) *process {
	c := maker.child(pid, maker.pending)
	maker.early = pid
	delete(t.makers, maker.pid) // it makes one process only
	t.processes[pid] = c
	return c
}

// made handles the return of a call that made a process.
func (t *tracer) made(p *process, text string, pid int) {
	early := p.early
	p.early = 0
	if _, known := t.processes[pid]; early != 0 && (early == pid || !known) {
		return
	}
	c := p.child(pid, text)
	t.processes[pid] = c
	if len(t.newborn) >= t.trimAt {
		t.newborn = slices.DeleteFunc(t.newborn, func(c *process) bool { return c.seen || t.processes[c.pid] != c })
		t.trimAt = max(1024, 2*len(t.newborn))
	}
	t.newborn = append(t.newborn, c)
	t.born = append(t.born, pid)
	if len(t.waiting[pid]) > 0 {
		t.ready = append(t.ready, pid)
	}
}
