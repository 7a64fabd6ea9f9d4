package sandbox

import (
	"fmt"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// dockerCapabilities are those that docker gives a container by default
// (moby, oci/caps/defaults.go).
func dockerCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
		"CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
	}
}

// maskedPaths and readonlyPaths of docker (moby, oci/defaults.go).
func maskedPaths() []string {
	return []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	}
}

func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

// defaultPath is what a process gets when the image says nothing.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// commandLine is what a container runs: an own entrypoint takes the image's
// command away with it, as in docker.
func commandLine(config v1.Config, o Options) ([]string, error) {
	entrypoint, args := config.Entrypoint, config.Cmd
	if o.Entrypoint != nil {
		entrypoint, args = o.Entrypoint, nil
	}
	if o.Args != nil {
		args = o.Args
	}
	line := slices.Concat(entrypoint, args)
	if len(line) == 0 || line[0] == "" {
		return nil, fmt.Errorf("the image has neither an entrypoint nor a command: say what to run")
	}
	return line, nil
}

// environment is the image's with that of the options over it; of a name the
// last value counts.
func environment(config v1.Config, o Options, hostname string, u user) []string {
	list := slices.Concat([]string{defaultPath, "HOSTNAME=" + hostname, "HOME=" + u.home}, config.Env, o.Env)
	var out []string
	at := map[string]int{}
	for _, e := range list {
		name, _, ok := strings.Cut(e, "=")
		if name == "" || !ok {
			continue
		}
		if i, seen := at[name]; seen {
			out[i] = e
			continue
		}
		at[name] = len(out)
		out = append(out, e)
	}
	return out
}

// place is where a container finds its things on the host.
type place struct {
	root    string // the mounted overlay
	cgroup  string
	netns   string // path of the namespace; "" is the host's
	unified bool   // control groups are of version 2 only
	mounts  []specs.Mount
}

// newSpec makes the runtime's configuration (OCI runtime specification,
// config.json).
func newSpec(config v1.Config, o Options, u user, hostname string, p place) (*specs.Spec, error) {
	line, err := commandLine(config, o)
	if err != nil {
		return nil, err
	}
	dir, err := workingDir(config, o)
	if err != nil {
		return nil, err
	}
	caps := dockerCapabilities()
	effective := caps
	if u.uid != 0 {
		effective = nil // a user other than root has them in the bounding set only
	}
	pids := o.PIDs
	if pids == 0 {
		pids = DefaultPIDs
	}
	resources := &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: pids}, Devices: deviceRules()}
	if o.Memory > 0 {
		resources.Memory = &specs.LinuxMemory{Limit: &o.Memory}
	}
	spec := &specs.Spec{
		Version:  "1.0.2",
		Hostname: hostname,
		Root:     &specs.Root{Path: p.root},
		Process: &specs.Process{
			Args: line, Cwd: dir, Env: environment(config, o, hostname, u),
			User:         specs.User{UID: u.uid, GID: u.gid, AdditionalGids: u.groups},
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Permitted: effective, Effective: effective},
		},
		Mounts: slices.Concat(kernelMounts(o.Network.Mode), p.mounts),
		Linux: &specs.Linux{
			CgroupsPath: p.cgroup, Resources: resources, MaskedPaths: maskedPaths(), ReadonlyPaths: readonlyPaths(),
			Namespaces: namespaces(o.Network.Mode, p.netns, p.unified),
		},
	}
	if o.Network.Mode == NetworkHost {
		spec.Hostname = "" // needs a UTS namespace; a host's network goes with its name
	}
	if o.Network.Mode == "" || o.Network.Mode == NetworkNAT || o.Network.Mode == NetworkNone {
		spec.Linux.Sysctl = map[string]string{
			"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647", // as docker since 20.10
		}
	}
	if spec.Linux.Seccomp, err = seccomp.GetDefaultProfile(spec); err != nil {
		return nil, fmt.Errorf("making the system call filter: %w", err)
	}
	return spec, nil
}

// workingDir is where the first process starts. Below /proc it could be a
// directory of the host that an old runtime left open (CVE-2024-21626).
func workingDir(config v1.Config, o Options) (string, error) {
	dir := path.Join("/", cmpOr(o.Dir, config.WorkingDir))
	if dir == "/proc" || strings.HasPrefix(dir, "/proc/") {
		return "", fmt.Errorf("the working directory %q is below /proc", dir)
	}
	return dir, nil
}

// namespaces are those of docker: with control groups of version 2 one for these,
// so that a program finds its limits where it looks for them.
func namespaces(mode NetworkMode, netns string, unified bool) []specs.LinuxNamespace {
	list := []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.MountNamespace}}
	if unified {
		list = append(list, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	if mode == NetworkHost {
		return list
	}
	return append(list, specs.LinuxNamespace{Type: specs.UTSNamespace}, specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: netns})
}

// kernelMounts are what docker mounts in every container.
func kernelMounts(mode NetworkMode) []specs.Mount {
	sys := specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}}
	if mode == NetworkHost || mode == NetworkJoined { // sysfs belongs to the owner of the network namespace
		sys = specs.Mount{Destination: "/sys", Type: "bind", Source: "/sys", Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro"}}
	}
	return []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		sys,
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro", "nosuid", "noexec", "nodev"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
	}
}

// deviceRules forbid all devices but those that every container has.
func deviceRules() []specs.LinuxDeviceCgroup {
	n := func(i int64) *int64 { return &i }
	rules := []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}
	for _, d := range [][2]int64{{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}} {
		rules = append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: n(d[0]), Minor: n(d[1]), Access: "rwm"})
	}
	rules = append(rules,
		specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: n(136), Access: "rwm"},
		specs.LinuxDeviceCgroup{Allow: true, Type: "c", Access: "m"}, // mknod only, as docker
		specs.LinuxDeviceCgroup{Allow: true, Type: "b", Access: "m"},
	)
	return rules
}
