package trace

import (
	"fmt"
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
