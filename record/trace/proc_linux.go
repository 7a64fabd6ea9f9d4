package trace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxProcFile is how much of a file below /proc is read.
const maxProcFile = 16 << 20

// namespaceOf is the mount namespace of a process, by its inode.
func namespaceOf(pid string) (uint32, error) {
	link, err := os.Readlink(filepath.Join("/proc", pid, "ns/mnt"))
	if err != nil {
		return 0, fmt.Errorf("reading the mount namespace of process %s (this needs root or CAP_SYS_PTRACE): %w", pid, err)
	}
	inode, ok := strings.CutPrefix(link, "mnt:[")
	n, err := strconv.ParseUint(strings.TrimSuffix(inode, "]"), 10, 32)
	if !ok || err != nil {
		return 0, fmt.Errorf("reading the mount namespace of process %s: %q is none", pid, link)
	}
	return uint32(n), nil
}

// holdNamespace is the mount namespace of a process, and its number. The number
// is not given to another one until the file is closed.
func holdNamespace(pid int) (*os.File, uint32, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err != nil {
		return nil, 0, fmt.Errorf("opening the mount namespace of process %d (this needs root or CAP_SYS_PTRACE): %w", pid, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("reading the mount namespace of process %d: %w", pid, err), file.Close())
	}
	return file, uint32(st.Ino), nil //nolint:gosec // numbers of namespaces have 32 bits
}

// cgroupID is the id by which the kernel knows a control group: the inode of
// its directory.
func cgroupID(dir string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return 0, fmt.Errorf("finding control group %q: %w", dir, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return 0, fmt.Errorf("finding control group %q: it is no directory", dir)
	}
	return st.Ino, nil
}

// processIn is a process of a control group or one below it that is in another
// mount namespace than this process.
func processIn(group string) (int, error) {
	own, err := namespaceOf("self")
	if err != nil {
		return 0, err
	}
	found := 0
	err = filepath.WalkDir(group, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cgroup.procs" {
			return err
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return nil //nolint:nilerr // a threaded group has none of its own
		}
		for _, pid := range strings.Fields(string(raw)) {
			if ns, err := namespaceOf(pid); err == nil && ns != own {
				if found, err = strconv.Atoi(pid); err != nil {
					return err
				}
				return fs.SkipAll
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("looking for the container of control group %q: %w", group, err)
	}
	if found == 0 {
		return 0, fmt.Errorf("control group %q has no process of a container", group)
	}
	return found, nil
}

// mountsOf is the mount points of a container, none known if the process that
// is in it has gone.
func mountsOf(pid int) mounts {
	file, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return mounts{}
	}
	defer func() { _ = file.Close() }()
	return readMounts(file)
}

// procFile is the beginning of a file of a process, "" where it has gone.
func procFile(pid int, name string) string {
	file, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	var b strings.Builder
	buf := make([]byte, 1<<16)
	for b.Len() < maxProcFile {
		n, err := file.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return b.String()
}
