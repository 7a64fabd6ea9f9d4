package harden

import (
	"path"
	"slices"
	"strings"
)

// ToolClass is a kind of program that helps an attacker who got in.
type ToolClass struct {
	Name      string   // one or two words
	Technique string   // MITRE ATT&CK technique id
	Use       string   // what it is good for, in an attacker's hands
	names     []string // base names; a trailing * matches version suffixes
}

// Classes is the catalogue of tools. A program is in the first class that names
// it.
func Classes() []ToolClass {
	return []ToolClass{
		{"shell", "T1059.004", "runs commands", []string{
			"sh", "bash", "rbash", "dash", "ash", "zsh*", "ksh*", "mksh*", "fish", "csh", "tcsh", "busybox", "toybox",
		}},
		{"downloader", "T1105", "brings in more tools", []string{
			"curl", "wget", "wget2", "aria2c", "fetch", "lynx", "links", "w3m", "elinks", "http", "https", "axel", "ftp", "tftp", "lftp", "ncftp",
		}},
		{"network tool", "T1095", "opens, forwards or scans connections", []string{
			"nc", "nc.*", "ncat", "netcat", "socat", "nmap", "telnet", "tcpdump", "tshark", "dig", "nslookup", "host", "ping", "ping6",
			"traceroute", "arping", "iptables", "ip6tables", "nft", "ip", "ifconfig", "route", "ss", "netstat", "nameif", "arp", "bridge", "tc", "whois",
			"inetd", "udhcpc", "udhcpc6", "httpd.busybox", "brctl", "slattach", "vconfig", "tunctl", "openvpn", "wg",
		}},
		{"package manager", "T1072", "installs software", []string{
			"apt", "apt-get", "apt-cache", "apt-config", "apt-cdrom", "apt-key", "apt-mark", "apt-*", "aptitude", "dpkg", "dpkg-*", "dselect",
			"apk", "rpm", "yum", "dnf*", "microdnf", "zypper", "pacman", "pip", "pip3*", "easy_install*", "npm", "npx", "yarn*", "pnpm", "corepack",
			"gem", "bundle", "composer", "cargo", "cpan*", "snap", "flatpak", "opkg",
		}},
		{"compiler", "T1027.004", "builds tools in place", []string{
			"gcc*", "g++*", "cc", "c++", "clang*", "ld", "ld.*", "as", "make", "gmake", "cmake", "go", "rustc", "javac", "tcc", "nasm", "x86_64-linux-gnu-gcc*",
		}},
		{"debugger", "T1055.008", "reads and changes other processes", []string{"gdb*", "lldb*", "strace*", "ltrace", "perf", "bpftrace", "gcore", "dbg"}},
		{"editor", "T1565.001", "changes files", []string{"vi", "vim*", "nvim", "nano", "emacs*", "ed", "ex", "pico", "joe", "patch"}},
		{"scheduler", "T1053", "runs things later", []string{"cron", "crond", "crontab", "anacron", "at", "atd", "batch", "systemd-run", "run-parts"}},
		{"remote access", "T1021.004", "lets in and out", []string{
			"ssh", "sshd", "scp", "sftp", "ssh-*", "rsh", "rlogin", "rsync", "telnetd", "dropbear*", "dbclient", "vncserver", "xrdp", "mosh*", "ftpd",
		}},
		{"escape", "T1611", "reaches out of the container", []string{
			"nsenter", "unshare", "mount", "umount", "pivot_root", "chroot", "switch_root", "losetup", "modprobe", "insmod", "kmod", "capsh", "setpriv",
			"docker", "ctr", "crictl", "kubectl", "runc", "crun", "podman",
		}},
		{"privilege", "T1548", "changes who one is", []string{
			"su", "sudo", "doas", "passwd", "chpasswd", "gpasswd", "newgrp", "sg", "chsh", "chfn", "login", "useradd", "usermod", "userdel", "adduser", "addgroup",
			"groupadd", "groupmod", "deluser", "delgroup", "visudo", "setcap", "getcap", "pkexec", "newuidmap", "newgidmap", "expiry", "chage", "vipw", "vigr", "bbsuid",
		}},
		{"interpreter", "T1059", "runs scripts", []string{
			"python", "python2*", "python3*", "perl*", "ruby*", "php*", "node", "nodejs", "lua*", "tclsh*", "wish*", "awk", "gawk", "mawk", "nawk", "original-awk",
			"guile*", "m4", "bc", "dc", "erl", "deno", "bun", "java", "jshell", "jrunscript",
		}},
		{"archiver", "T1560.001", "packs and unpacks", []string{
			"tar", "gzip", "gunzip", "bzip2", "bunzip2", "xz", "unxz", "zstd", "unzstd", "zip", "unzip", "7z*", "cpio", "ar", "lzma", "unlzma", "lz4", "lzop", "uncompress",
		}},
		{"encoder", "T1140", "encodes, encrypts, decodes", []string{
			"base64", "base32", "basenc", "xxd", "od", "hexdump", "hd", "openssl", "gpg", "gpgv", "gpg-agent", "uudecode", "uuencode", "age", "sha256sum", "md5sum",
		}},
		{"setuid", "T1548.001", "runs with its owner's rights", nil},
		{"recon", "T1082", "looks around", []string{
			"id", "whoami", "who", "w", "users", "last", "lastlog", "uname", "hostname", "ps", "top", "htop", "pgrep", "pidof", "lsof", "fuser", "free", "vmstat", "uptime",
			"df", "du", "find", "locate", "grep", "egrep", "fgrep", "env", "printenv", "getent", "groups", "ls", "dir", "vdir", "stat", "file", "strings", "cat", "tac",
			"head", "tail", "more", "less", "lsblk", "lscpu", "lsns", "lspci", "lsusb", "dmesg", "sysctl", "tree", "nproc", "arch", "logname", "tty", "pstree", "pmap", "readlink", "realpath",
		}},
		{"process", "T1489", "stops and starts what runs", []string{
			"kill", "killall", "killall5", "pkill", "skill", "start-stop-daemon", "service", "systemctl", "init", "telinit", "reboot", "poweroff", "halt", "shutdown",
			"nohup", "setsid", "renice", "nice", "timeout", "watch", "xargs", "chrt", "taskset", "ionice", "sleep",
		}},
		{"files", "T1222.002", "copies, removes, re-owns files", []string{
			"cp", "mv", "rm", "ln", "dd", "install", "chmod", "chown", "chgrp", "chattr", "lsattr", "touch", "mkdir", "rmdir", "mkfifo", "mknod", "shred", "truncate",
			"sed", "tee", "split", "cut", "sort", "tr", "uniq", "paste", "wc", "mktemp", "sync", "link", "unlink", "fallocate",
		}},
	}
}

// toolClasses are the names of the catalogue's classes.
func toolClasses() []string {
	var list []string
	for _, c := range Classes() {
		list = append(list, c.Name)
	}
	return list
}

func isToolClass(name string) bool { return slices.Contains(toolClasses(), name) }

// catalogue finds the class of a tool by its base name.
type catalogue struct {
	classes []ToolClass
	exact   map[string]int // by whole names: the first class that has one
	stems   map[string]int // by what comes before a star
	longest int            // bytes of a stem
	setuid  int
}

func newCatalogue() *catalogue {
	c := &catalogue{classes: Classes(), exact: map[string]int{}, stems: map[string]int{}}
	for i, class := range c.classes {
		if class.names == nil {
			c.setuid = i
		}
		for _, n := range class.names {
			names := c.exact
			stem, starred := strings.CutSuffix(n, "*")
			if starred {
				names, c.longest = c.stems, max(c.longest, len(stem))
			}
			if _, ok := names[stem]; !ok {
				names[stem] = i
			}
		}
	}
	return c
}

// of is the first class that names a base name; setuid files that none before
// names have their own.
func (c *catalogue) of(base string, setuid bool) (ToolClass, bool) {
	first := len(c.classes)
	if setuid {
		first = c.setuid
	}
	if i, ok := c.exact[base]; ok {
		first = min(first, i)
	}
	for n := range min(len(base), c.longest) + 1 {
		if i, ok := c.stems[base[:n]]; ok {
			first = min(first, i)
		}
	}
	if first == len(c.classes) {
		return ToolClass{}, false
	}
	return c.classes[first], true
}

// classOf is the class of a file that the catalogue names.
func (p *planner) classOf(f *file) (ToolClass, bool) {
	if !f.tool() && f.applet == "" {
		return ToolClass{}, false
	}
	if p.catalogue == nil {
		p.catalogue = newCatalogue()
	}
	return p.catalogue.of(path.Base(f.path), f.entry.Mode&modeSetuid != 0 && f.class == program)
}

// Tool is an executable of the image that the catalogue names.
type Tool struct {
	Path      string   `json:"path"`
	Class     string   `json:"class"`
	Technique string   `json:"technique"`
	Kept      bool     `json:"kept"`
	Reason    Reason   `json:"reason"`
	Phases    []string `json:"phases,omitempty"` // in which the profile saw it run
	Box       string   `json:"box,omitempty"`    // of an applet the binary, through which all applets stay reachable
}

// tools lists what the catalogue names, applets and links among it.
func (p *planner) tools() []Tool {
	var list []Tool
	for _, f := range p.order {
		c, ok := p.classOf(f)
		if !ok {
			continue
		}
		list = append(list, Tool{
			Path: f.path, Class: c.Name, Technique: c.Technique, Kept: f.kept, Reason: f.reason,
			Phases: p.phases[f.path], Box: f.applet,
		})
	}
	return list
}
