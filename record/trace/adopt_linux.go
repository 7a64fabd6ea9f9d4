package trace

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// maxRounds is how often /proc is looked through for processes that came while
// it was looked through.
const maxRounds = 20

// adopt takes over what runs in the target already: its processes, and what
// they have mapped and open.
func (r *Recorder) adopt(ctx context.Context) error {
	ns := r.number
	r.folder.entered = true
	a := adopter{kernel: r.kernel, folder: r.folder, namespace: ns, keys: map[int]string{}}
	for range maxRounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		found, err := a.round()
		if err != nil {
			return err
		}
		if !found {
			break
		}
	}
	if err := r.kernel.target(ns); err != nil {
		return err
	}
	_, err := a.round()
	return err
}

type adopter struct {
	kernel    *kernel
	folder    *folder
	namespace uint32
	keys      map[int]string // of processes that were adopted
}

// round adopts the processes that are new.
func (a *adopter) round() (found bool, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false, fmt.Errorf("looking for the processes of the container: %w", err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || a.keys[pid] != "" {
			continue
		}
		if ns, err := namespaceOf(entry.Name()); err != nil || ns != a.namespace {
			continue // of another container, or gone
		}
		ok, err := a.process(pid)
		if err != nil {
			return false, err
		}
		found = found || ok
	}
	return found, nil
}

// process adopts one process; ok is false for kernel threads and for those that
// have ended.
func (a *adopter) process(pid int) (ok bool, err error) {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	exe = strings.TrimSuffix(exe, " (deleted)")
	if err != nil || !strings.HasPrefix(exe, "/") {
		return false, nil //nolint:nilerr // a process may end at any time
	}
	argv := strings.Split(strings.TrimSuffix(procFile(pid, "cmdline"), "\x00"), "\x00")
	id := a.folder.adoptProgram(exe, argv, a.keys[parentOf(procFile(pid, "stat"))])
	key := a.folder.programs[id].key
	a.keys[pid] = key
	if err := a.kernel.maps.Procs.Put(uint32(pid), process{Exe: id, Origin: originChild}); err != nil {
		return false, fmt.Errorf("telling the programs of process %d: %w", pid, err)
	}
	e := event{exe: id}
	for path, access := range mapped(procFile(pid, "maps")) {
		a.folder.found(path, "", e, access)
	}
	inodes := map[string]bool{}
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)) // a process may end at any time
	for _, fd := range fds {
		target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
		switch inode, isSocket := strings.CutPrefix(target, "socket:["); {
		case err != nil || strings.HasSuffix(target, " (deleted)"):
		case isSocket:
			inodes[strings.TrimSuffix(inode, "]")] = true
		case strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "/memfd:"):
			a.folder.found(target, "", e, profile.AccessOpen)
		}
	}
	var all []openSocket
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		all = append(all, socketTable(procFile(pid, "net/"+table), table)...)
	}
	a.folder.adoptSockets(all, inodes, e)
	return true, nil
}
