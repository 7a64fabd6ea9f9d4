package trace

// errnoName is the name of an error number of Linux, "" for those that do not
// matter here. Numbers below 40 are the same on every architecture, and the
// others on amd64 and arm64.
func errnoName(errno int32) string {
	switch errno {
	case 1:
		return "EPERM"
	case 2:
		return "ENOENT"
	case 6:
		return "ENXIO"
	case 8:
		return "ENOEXEC"
	case 13:
		return "EACCES"
	case 16:
		return "EBUSY"
	case 17:
		return "EEXIST"
	case 18:
		return "EXDEV"
	case 20:
		return "ENOTDIR"
	case 21:
		return "EISDIR"
	case 22:
		return "EINVAL"
	case 26:
		return "ETXTBSY"
	case 39:
		return "ENOTEMPTY"
	case 40:
		return "ELOOP"
	case 61:
		return "ENODATA"
	case 95:
		return "EOPNOTSUPP"
	}
	return ""
}

// isMissing reports whether an error says that a path is not there. Of others
// that have a name, the path is there.
func isMissing(errno string) bool { return errno == "ENOENT" || errno == "ENOTDIR" }

// capabilityNames is the names of capabilities, by number (linux/capability.h).
func capabilityNames() []string {
	return []string{
		"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
		"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
		"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
		"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
		"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
		"CHECKPOINT_RESTORE",
	}
}

const capSysAdmin = 21

// asksForMemory reports whether a call makes the kernel check for SYS_ADMIN only
// to see whether the caller may use the last bit of memory (cap_vm_enough_memory):
// nobody needs the capability for that. Writing does so for files in memory, and
// also needs it in earnest for some files of the kernel.
func asksForMemory(call string, denied bool) bool {
	switch call {
	case "mmap", "mremap", "brk", "mprotect", "munmap", "clone", "clone3", "fork", "vfork", "execve", "execveat",
		"madvise", "shmget", "memfd_create", "ftruncate":
		return true
	case "write", "writev", "pwrite64", "fallocate":
		return denied
	}
	return false
}
