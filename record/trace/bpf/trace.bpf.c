/*
 * Records what the processes of one container do. See ../doc.go for the design.
 *
 * A process counts once it has executed something in the container's mount
 * namespace, and with it its descendants: what a runtime does while it sets the
 * container up is not seen.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "event.h"

char LICENSE[] SEC("license") = "GPL";

#define MAX_STRING 4096
#define MAX_NAME 256
#define MAX_DEPTH 72
#define MAX_HASHED 512
#define MAX_ARGV 1024
#define MAX_PAYLOAD 4096
#define DATA_MASK 0x3fff

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define PORT_LOCKED 8 /* SOCK_BINDPORT_LOCK: the program chose the port */
#define DNS_PORT 53
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define AT_FDCWD -100
#define MAP_ANONYMOUS 0x20
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFREG 0100000
#define S_IFDIR 0040000
#define EFAULT 14
#define EBADF 9
#define ERESTARTSYS 512
#define ERESTART_LAST 516

struct scratch {
	u32 busy;
	u32 nr;
	s64 ret;
	u64 args[8];
	struct call call;
	struct proc proc;
	struct net net;
	u64 sock_ino;
	u32 epoch;
	u32 nameless;
	u8 sa[128];
	struct head head;
	u8 data[DATA_MASK + 1 + MAX_STRING];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, u64);
	__type(value, u64);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, struct proc);
} procs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u32);
} targets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u64);
	__type(value, u32);
} cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct config);
} configs SEC(".maps");

/* Goes up with every phase. It is not in configs, which this side writes to. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} epochs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 512);
	__type(key, u32);
	__type(value, struct call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 512);
	__type(key, u32);
	__type(value, u32);
} used SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNT_MAX);
	__type(key, u32);
	__type(value, u64);
} counters SEC(".maps");

/* Who spoke first on a socket: 1 its owner, 2 the peer. */
struct talk {
	u64 ino;
	u32 port;
	u32 pad;
	u8 addr[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct talk);
	__type(value, u32);
} talks SEC(".maps");

/* Sockets, by their inodes, whose program chose the port. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u32);
} bound SEC(".maps");

/* TCP connections under way, by the address of their socket. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, struct proc);
} dialing SEC(".maps");

static __always_inline void count(u32 which)
{
	u64 *n = bpf_map_lookup_elem(&counters, &which);

	if (n)
		(*n)++;
}

static __always_inline u64 mix(u64 h, u64 v)
{
	h ^= v;
	h *= 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

static __always_inline struct scratch *scratch(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}

static __always_inline struct config *configuration(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&configs, &zero);
}

static __always_inline u32 current_epoch(void)
{
	u32 zero = 0, *epoch = bpf_map_lookup_elem(&epochs, &zero);

	return epoch ? *epoch : 0;
}

static __always_inline u32 current_tgid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* hash_data hashes the first len bytes of the data, which MAX_HASHED bounds. */
__noinline u64 hash_data(u32 from, u32 len, u64 h)
{
	struct scratch *s = scratch();

	if (!s)
		return h;
	for (u32 i = 0; i < MAX_HASHED / 8; i++) {
		u32 at = i * 8;
		u64 word;

		if (at >= len)
			break;
		word = *(u64 *)&s->data[(from + at) & DATA_MASK];
		if (len - at < 8)
			word &= (1ULL << ((len - at) * 8)) - 1;
		h = mix(h, word);
	}
	return mix(h, len);
}

/* is_dup counts an event that was sent before. */
static __always_inline bool is_dup(u64 key)
{
	u64 *n = bpf_map_lookup_elem(&seen, &key);

	if (!n)
		return false;
	__sync_fetch_and_add(n, 1);
	return true;
}

/* mark remembers an event that the ring took: one that it refused is sent again. */
static __always_inline void mark(u64 key, long refused)
{
	u64 one = 1;

	if (refused) {
		count(COUNT_LOST);
		return;
	}
	count(COUNT_EVENTS);
	bpf_map_update_elem(&seen, &key, &one, BPF_ANY);
}

__noinline int send(u64 key, u32 len)
{
	struct scratch *s = scratch();

	if (!s)
		return 0;
	asm volatile("" : "+r"(len));
	if (len > DATA_MASK + MAX_STRING) {
		count(COUNT_TRUNC);
		return 0;
	}
	s->head.key = key;
	s->head.ts = bpf_ktime_get_boot_ns();
	s->head.exe = s->proc.exe;
	s->head.tgid = current_tgid();
	s->head.epoch = s->epoch;
	s->head.ret = s->ret;
	s->head.nr = s->nr;
	mark(key, bpf_ringbuf_output(&events, &s->head, sizeof(struct head) + len, 0));
	return 0;
}

static __always_inline struct mount *mount_of(struct vfsmount *m)
{
	return (struct mount *)((u64)m - bpf_core_field_offset(struct mount, mnt));
}

/*
 * walk writes the names from a dentry up to the root of its mount namespace,
 * leaf first, to the data at off. It returns the offset behind them, or -1 where
 * there are too many. What is in no file system, such as a memfd, gives its name
 * and sets nameless.
 */
__noinline int walk(u64 dentry, u64 mnt, u32 off)
{
	struct scratch *s = scratch();
	struct dentry *d = (struct dentry *)dentry;
	struct mount *m = (struct mount *)mnt;

	if (!s || !d || !m)
		return -1;
	s->nameless = 0;
	for (u32 i = 0; i < MAX_DEPTH; i++) {
		struct dentry *parent;
		const unsigned char *name;
		long n;

		if (d == BPF_CORE_READ(m, mnt.mnt_root)) {
			struct mount *up = BPF_CORE_READ(m, mnt_parent);

			if (up == m || !up)
				return off;
			d = BPF_CORE_READ(m, mnt_mountpoint);
			m = up;
			continue;
		}
		parent = BPF_CORE_READ(d, d_parent);
		name = BPF_CORE_READ(d, d_name.name);
		if (off > DATA_MASK - MAX_NAME)
			return -1;
		n = bpf_probe_read_kernel_str(&s->data[off & DATA_MASK], MAX_NAME, name);
		if (n <= 0)
			return -1;
		off += n;
		if (parent == d || !parent) {
			s->nameless = 1;
			return off;
		}
		d = parent;
	}
	return -1;
}

static __always_inline struct file *file_of(u32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **array = BPF_CORE_READ(table, fd);
	struct file *f = 0;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	if (bpf_probe_read_kernel(&f, sizeof(f), array + fd))
		return 0;
	return f;
}

static __always_inline void describe(struct inode *inode, u64 *ino, u32 *dev, u32 *magic)
{
	struct super_block *sb = BPF_CORE_READ(inode, i_sb);

	*ino = BPF_CORE_READ(inode, i_ino);
	*dev = BPF_CORE_READ(sb, s_dev);
	*magic = BPF_CORE_READ(sb, s_magic);
}

/* reset makes the head ready for an event. */
static __always_inline void reset(struct scratch *s, u8 type)
{
	__builtin_memset(&s->head, 0, sizeof(s->head));
	s->head.type = type;
}

/* put_walk walks a path into slot n of the event and returns the new offset. */
static __always_inline u32 put_walk(struct scratch *s, struct path *p, u32 off, u32 slot)
{
	int end = walk((u64)p->dentry, (u64)mount_of(p->mnt), off);

	if (end < 0) {
		count(COUNT_TRUNC);
		s->head.arg |= slot == 1 ? ARG_BASE_CUT : ARG_FULL_CUT;
		return off;
	}
	if (slot == 2 && s->nameless)
		s->head.arg |= ARG_NAMELESS;
	s->head.len[slot & 3] = end - off;
	return end;
}

/* base_of is the directory that the string in the data is relative to. */
static __always_inline int base_of(struct scratch *s, int dirfd, struct path *out)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct file *f;

	if (s->data[0] == '/') {
		out->mnt = BPF_CORE_READ(task, fs, root.mnt);
		out->dentry = BPF_CORE_READ(task, fs, root.dentry);
		return 0;
	}
	if (dirfd == AT_FDCWD) {
		out->mnt = BPF_CORE_READ(task, fs, pwd.mnt);
		out->dentry = BPF_CORE_READ(task, fs, pwd.dentry);
		return 0;
	}
	f = file_of(dirfd);
	if (!f)
		return -1;
	out->mnt = BPF_CORE_READ(f, f_path.mnt);
	out->dentry = BPF_CORE_READ(f, f_path.dentry);
	return 0;
}

/*
 * do_string sends the string of n bytes (its NUL too) that is in the data, with
 * the directory that it is relative to, and with the file that the call opened
 * where fd is one.
 */
__noinline int do_string(u32 n, s32 dirfd, s32 fd, u32 arg, u32 flags)
{
	struct scratch *s = scratch();
	struct path base = {}, full = {};
	struct inode *inode;
	u64 key;
	u32 off;

	if (!s || n < 2 || n > MAX_STRING)
		return 0;
	reset(s, EVENT_PATH);
	s->head.arg = arg & 0xf;
	s->head.flags = flags;
	if (base_of(s, dirfd, &base)) {
		if (s->ret != -EBADF)
			count(COUNT_FDERR);
		return 0;
	}
	key = mix(s->proc.exe, ((u64)s->epoch << 32) | s->nr << 8 | arg);
	key = mix(key, ((u64)flags << 32) | (u32)(s->ret < 0 ? s->ret : 0));
	describe(BPF_CORE_READ(base.dentry, d_inode), &s->head.base_ino, &s->head.base_dev, &s->head.base_magic);
	key = mix(mix(key, (u64)base.dentry), s->head.base_ino ^ (u64)s->head.base_dev << 32);
	if (fd >= 0) {
		struct file *f = file_of(fd);

		if (!f) {
			count(COUNT_FDERR);
		} else {
			full.mnt = BPF_CORE_READ(f, f_path.mnt);
			full.dentry = BPF_CORE_READ(f, f_path.dentry);
			inode = BPF_CORE_READ(f, f_inode);
			describe(inode, &s->head.ino, &s->head.dev, &s->head.magic);
			s->head.mode = BPF_CORE_READ(inode, i_mode);
			key = mix(mix(key, (u64)full.dentry), s->head.ino);
			key = mix(key, BPF_CORE_READ(full.dentry, d_name.hash_len));
		}
	}
	if (n <= MAX_HASHED) {
		key = hash_data(0, n, key);
		if (is_dup(key))
			return 0;
	} else {
		key = mix(key, bpf_ktime_get_ns());
	}
	s->head.len[0] = n - 1;
	off = put_walk(s, &base, n, 1);
	if (full.dentry)
		off = put_walk(s, &full, off, 2);
	return send(key, off);
}

static __always_inline s32 argument(struct scratch *s, u8 i)
{
	return i == NO_ARG ? AT_FDCWD : (s32)s->args[i & 7];
}

/* do_path handles the path that is argument i of those of the call. */
__noinline int do_path(u32 i)
{
	struct scratch *s = scratch();
	u32 flags = 0;
	s32 fd = -1;
	u64 at;
	long n;

	if (!s || i > 1)
		return 0;
	if (s->call.path[i] == NO_ARG)
		return 0;
	at = s->args[s->call.path[i] & 7];
	if (!at)
		return 0;
	n = bpf_probe_read_user_str(s->data, MAX_STRING, (void *)at);
	if (n <= 0) {
		if (s->ret != -EFAULT)
			count(COUNT_PATHERR);
		return 0;
	}
	if (s->call.how) {
		u64 how = 0;

		bpf_probe_read_user(&how, sizeof(how), (void *)s->args[s->call.flags & 7]);
		flags = how;
	} else if (s->call.flags != NO_ARG) {
		flags = s->args[s->call.flags & 7];
	}
	if (s->call.class == CLASS_OPEN && s->ret >= 0)
		fd = s->ret;
	return do_string(n, argument(s, s->call.dir[i]), fd, i, flags);
}

/* do_fd handles calls on a file that is open: listing, mapping, changing it. */
__noinline int do_fd(void)
{
	struct scratch *s = scratch();
	struct inode *inode;
	struct path full;
	struct file *f;
	u32 flags = 0;
	u64 key;
	u16 mode;

	if (!s)
		return 0;
	if (s->call.class == CLASS_MMAP) {
		if (s->args[3] & MAP_ANONYMOUS)
			return 0;
		flags = s->args[2];
	}
	f = file_of(s->args[s->call.path[0] & 7]);
	if (!f) {
		count(COUNT_FDERR);
		return 0;
	}
	inode = BPF_CORE_READ(f, f_inode);
	mode = BPF_CORE_READ(inode, i_mode);
	if ((mode & S_IFMT) != S_IFREG && (mode & S_IFMT) != S_IFDIR)
		return 0;
	reset(s, EVENT_FD);
	s->head.mode = mode;
	s->head.flags = flags;
	full.mnt = BPF_CORE_READ(f, f_path.mnt);
	full.dentry = BPF_CORE_READ(f, f_path.dentry);
	describe(inode, &s->head.ino, &s->head.dev, &s->head.magic);
	key = mix(s->proc.exe, ((u64)s->epoch << 32) | s->nr << 8 | EVENT_FD);
	key = mix(mix(key, (u64)full.dentry), s->head.ino);
	key = mix(mix(key, BPF_CORE_READ(full.dentry, d_name.hash_len)), flags);
	if (is_dup(key))
		return 0;
	return send(key, put_walk(s, &full, 0, 2));
}

static __always_inline void read_sock(struct sock *sk, struct net *n)
{
	__builtin_memset(n, 0, sizeof(*n));
	n->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	n->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	n->type = BPF_CORE_READ(sk, sk_type);
	n->protocol = BPF_CORE_READ(sk, sk_protocol);
	n->locks = BPF_CORE_READ(sk, sk_userlocks);
	if (n->family != AF_INET && n->family != AF_INET6)
		return;
	n->lport = BPF_CORE_READ(sk, __sk_common.skc_num);
	n->rport = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (n->family == AF_INET) {
		bpf_probe_read_kernel(n->laddr, 4, __builtin_preserve_access_index(&sk->__sk_common.skc_rcv_saddr));
		bpf_probe_read_kernel(n->raddr, 4, __builtin_preserve_access_index(&sk->__sk_common.skc_daddr));
	} else {
		bpf_probe_read_kernel(n->laddr, 16, __builtin_preserve_access_index(&sk->__sk_common.skc_v6_rcv_saddr));
		bpf_probe_read_kernel(n->raddr, 16, __builtin_preserve_access_index(&sk->__sk_common.skc_v6_daddr));
	}
}

/* sock_of reads the socket of a descriptor into the scratch space. */
__noinline int sock_of(u32 fd)
{
	struct scratch *s = scratch();
	struct file *f = file_of(fd);
	struct inode *inode;
	struct socket *sock;
	struct sock *sk;

	if (!s || !f)
		return -1;
	inode = BPF_CORE_READ(f, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return -1;
	sock = BPF_CORE_READ(f, private_data);
	sk = BPF_CORE_READ(sock, sk);
	if (!sk)
		return -1;
	s->sock_ino = BPF_CORE_READ(inode, i_ino);
	read_sock(sk, &s->net);
	/* The socket that a program sees of MPTCP does not know. */
	if (bpf_map_lookup_elem(&bound, &s->sock_ino))
		s->net.locks |= PORT_LOCKED;
	return 0;
}

/* take_peer puts the address that is in s->sa into s->net. */
static __always_inline bool take_peer(struct scratch *s)
{
	u16 family = *(u16 *)s->sa;

	if (family == AF_INET) {
		__builtin_memset(s->net.raddr, 0, 16);
		__builtin_memcpy(s->net.raddr, &s->sa[4], 4);
	} else if (family == AF_INET6) {
		__builtin_memcpy(s->net.raddr, &s->sa[8], 16);
	} else {
		return false;
	}
	s->net.family = family;
	s->net.rport = __builtin_bswap16(*(u16 *)&s->sa[2]);
	return true;
}

/* put_net writes s->net into the event; what follows it is len bytes long. */
static __always_inline u32 put_net(struct scratch *s, u8 type, u32 len)
{
	reset(s, type);
	s->head.aux = s->sock_ino;
	s->head.len[0] = len;
	__builtin_memcpy(s->data, &s->net, sizeof(struct net));
	return sizeof(struct net) + len;
}

static __always_inline u64 net_key(struct scratch *s, u8 type, bool local)
{
	u64 key = mix(s->proc.exe, ((u64)s->epoch << 32) | s->nr << 8 | type);

	key = mix(key, ((u64)s->net.family << 32) | (u64)s->net.type << 16 | s->net.protocol);
	key = mix(key, (u32)(s->ret < 0 ? s->ret : 0));
	if (local) {
		key = mix(key, s->net.lport);
		key = mix(key, *(u64 *)&s->net.laddr[0]);
		key = mix(key, *(u64 *)&s->net.laddr[8]);
		return key;
	}
	key = mix(key, s->net.rport);
	key = mix(key, *(u64 *)&s->net.raddr[0]);
	return mix(key, *(u64 *)&s->net.raddr[8]);
}

/* read_address reads a socket address of the program. */
static __always_inline u32 read_address(struct scratch *s, u64 at, u32 len)
{
	__builtin_memset(s->sa, 0, sizeof(s->sa));
	if (!at)
		return 0;
	if (len > 110)
		len = 110;
	asm volatile("" : "+r"(len));
	if (len > 110 || len < 2)
		return 0;
	if (bpf_probe_read_user(s->sa, len, (void *)at))
		return 0;
	return len;
}

/* do_unix sends a call that names a unix socket by its path or abstract name. */
static __always_inline int do_unix(struct scratch *s, u8 type, u32 len)
{
	struct path base = {};
	u64 key;
	u32 off;

	if (len < 3)
		return 0;
	len -= 2;
	asm volatile("" : "+r"(len));
	if (len > 108)
		return 0;
	off = put_net(s, type, 0);
	__builtin_memcpy(&s->data[sizeof(struct net)], &s->sa[2], 108);
	key = hash_data(sizeof(struct net), len, net_key(s, type, false));
	s->head.len[0] = len;
	off += len;
	if (s->sa[2] && s->sa[2] != '/') {
		struct task_struct *task = (struct task_struct *)bpf_get_current_task();

		base.mnt = BPF_CORE_READ(task, fs, pwd.mnt);
		base.dentry = BPF_CORE_READ(task, fs, pwd.dentry);
		key = mix(key, (u64)base.dentry);
	}
	if (is_dup(key))
		return 0;
	if (base.dentry)
		off = put_walk(s, &base, off, 1);
	return send(key, off);
}

__noinline int do_connect(void)
{
	struct scratch *s = scratch();
	u32 len;
	u64 key;

	if (!s || sock_of(s->args[0]))
		return 0;
	len = read_address(s, s->args[1], s->args[2]);
	if (s->net.family == AF_UNIX)
		return do_unix(s, EVENT_CONNECT, len);
	if (s->net.family != AF_INET && s->net.family != AF_INET6)
		return 0;
	if (len && !take_peer(s))
		return 0; /* AF_UNSPEC ends an association */
	key = net_key(s, EVENT_CONNECT, false);
	if (is_dup(key))
		return 0;
	return send(key, put_net(s, EVENT_CONNECT, 0));
}

/* do_local handles bind, listen and accept. */
__noinline int do_local(u32 type)
{
	struct scratch *s = scratch();
	u64 key;

	if (!s || s->ret < 0)
		return 0;
	if (sock_of(type == EVENT_ACCEPT ? s->ret : s->args[0]))
		return 0;
	if (s->net.family == AF_UNIX) {
		if (type == EVENT_BIND)
			return do_unix(s, type, read_address(s, s->args[1], s->args[2]));
		if (type == EVENT_ACCEPT)
			return 0;
	} else if (s->net.family != AF_INET && s->net.family != AF_INET6) {
		return 0;
	}
	if (type == EVENT_BIND) {
		u32 one = 1;

		if (read_address(s, s->args[1], s->args[2]) && *(u16 *)&s->sa[2]) {
			bpf_map_update_elem(&bound, &s->sock_ino, &one, BPF_ANY);
			s->net.locks |= PORT_LOCKED;
		}
		if (s->net.type == SOCK_STREAM)
			return 0;
	}
	key = net_key(s, type, true);
	if (type == EVENT_ACCEPT)
		key = mix(mix(key, *(u64 *)&s->net.raddr[0]), *(u64 *)&s->net.raddr[8]);
	else
		key = mix(key, s->net.locks & PORT_LOCKED);
	if (is_dup(key))
		return 0;
	return send(key, put_net(s, type, 0));
}

struct iovec {
	u64 base, len;
};

/* gather copies up to MAX_PAYLOAD bytes of the program's buffers behind s->net. */
__noinline u32 gather(u64 at, u32 n, u32 total)
{
	struct scratch *s = scratch();
	u32 off = 0;

	if (!s)
		return 0;
	if (total > MAX_PAYLOAD) {
		count(COUNT_TRUNC);
		total = MAX_PAYLOAD;
	}
	for (u32 i = 0; i < 8; i++) {
		struct iovec v = { .base = at, .len = total };
		u32 len;

		if (off >= total)
			break;
		if (n) {
			if (i >= n || bpf_probe_read_user(&v, sizeof(v), (void *)(at + i * sizeof(v))))
				break;
		}
		len = v.len < total - off ? v.len : total - off;
		asm volatile("" : "+r"(len));
		if (len > MAX_PAYLOAD)
			break;
		if (bpf_probe_read_user(&s->data[(sizeof(struct net) + off) & DATA_MASK], len, (void *)v.base)) {
			count(COUNT_PATHERR);
			break;
		}
		off += len;
		if (!n)
			break;
	}
	return off;
}

/* first_on says who spoke first with the peer: 1 we, 2 they. */
static __always_inline u32 first_on(struct scratch *s, bool out)
{
	struct talk talk = { .ino = s->sock_ino, .port = s->net.rport };
	u32 who = out ? 1 : 2, *first;

	__builtin_memcpy(talk.addr, s->net.raddr, 16);
	first = bpf_map_lookup_elem(&talks, &talk);
	if (first)
		return *first;
	bpf_map_update_elem(&talks, &talk, &who, BPF_ANY);
	return who;
}

/*
 * do_data handles one packet or piece of a stream: len bytes in n vectors at
 * at, or in one buffer where n is 0. name is the address of the peer's address,
 * and 0 where the call has none.
 */
__noinline int do_data(u64 name, u32 namelen, u64 at, u32 n, s32 len)
{
	struct scratch *s = scratch();
	bool out;
	u32 got;
	u64 key;

	if (!s)
		return 0;
	out = s->call.out;
	if (name && s->net.type != SOCK_STREAM) {
		if (read_address(s, name, namelen))
			take_peer(s);
	}
	if (s->net.rport == 0 && s->net.type != SOCK_RAW && s->net.protocol != 1 && s->net.protocol != 58)
		return 0;
	if (s->net.type != SOCK_STREAM) {
		u32 first = first_on(s, out);

		if (out && first == 1) {
			key = net_key(s, EVENT_SENT, false);
			if (!is_dup(key))
				send(key, put_net(s, EVENT_SENT, 0));
		} else if (!out && first == 2 && (s->net.locks & PORT_LOCKED)) {
			key = mix(net_key(s, EVENT_HEARD, true), *(u64 *)&s->net.raddr[0]);
			key = mix(key, *(u64 *)&s->net.raddr[8]);
			if (!is_dup(key))
				send(key, put_net(s, EVENT_HEARD, 0));
		}
	}
	if (s->net.rport != DNS_PORT || len <= 0)
		return 0;
	got = gather(at, n, len);
	asm volatile("" : "+r"(got));
	if (!got || got > MAX_PAYLOAD)
		return 0;
	if (s->net.type == SOCK_STREAM || got > MAX_HASHED) {
		key = bpf_ktime_get_ns() ^ s->sock_ino;
	} else {
		/* The first two bytes are a number that differs each time. */
		key = hash_data(sizeof(struct net) + 2, got - 2, net_key(s, EVENT_DATA, false));
		if (is_dup(key))
			return 0;
	}
	got = put_net(s, EVENT_DATA, got);
	if (out)
		s->head.arg = ARG_OUT;
	return send(key, got);
}

/* The program's struct msghdr, and the array of sendmmsg and recvmmsg. */
struct message {
	u64 name;
	u32 namelen, pad;
	u64 vector, vectors;
	u64 control, controllen;
	u32 flags, pad2;
};

struct counted_message {
	struct message header;
	u32 len, pad;
};

/* do_traffic handles calls that move data. */
__noinline int do_traffic(void)
{
	struct scratch *s = scratch();
	struct counted_message m = {};
	u32 namelen = 0;
	u64 name = 0;

	if (!s || sock_of(s->args[0]))
		return 0;
	if (s->net.family != AF_INET && s->net.family != AF_INET6)
		return 0;
	if (s->net.type == SOCK_STREAM && s->net.rport != DNS_PORT)
		return 0;
	if (s->ret < 0 && !s->call.out)
		return 0;
	switch (s->call.class) {
	case CLASS_BUFFER:
		if (s->call.peer != NO_ARG)
			name = s->args[s->call.peer & 7];
		namelen = 28;
		if (name && s->net.family == AF_INET)
			namelen = 16;
		return do_data(name, namelen, s->args[1], 0, s->ret);
	case CLASS_VECTOR:
		return do_data(0, 0, s->args[1], s->args[2], s->ret);
	case CLASS_MESSAGE:
		if (bpf_probe_read_user(&m.header, sizeof(m.header), (void *)s->args[1]))
			return 0;
		return do_data(m.header.name, m.header.namelen, m.header.vector, m.header.vectors, s->ret);
	}
	return 0;
}

/* do_messages handles sendmmsg and recvmmsg. */
__noinline int do_messages(void)
{
	struct scratch *s = scratch();
	struct counted_message m = {};

	if (!s || s->ret <= 0)
		return 0;
	for (u32 i = 0; i < 16; i++) {
		if (i >= (u32)s->ret)
			break;
		if (sock_of(s->args[0]))
			break;
		if (s->net.family != AF_INET && s->net.family != AF_INET6)
			break;
		if (bpf_probe_read_user(&m, sizeof(m), (void *)(s->args[1] + i * sizeof(m))))
			break;
		do_data(m.header.name, m.header.namelen, m.header.vector, m.header.vectors, m.len);
	}
	if (s->ret > 16 && s->net.rport == DNS_PORT)
		count(COUNT_TRUNC);
	return 0;
}

static __always_inline bool is_compat(struct pt_regs *regs)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(task, thread_info.status) & 2; /* TS_COMPAT */
#else
	return BPF_CORE_READ(task, thread_info.flags) & (1 << 22); /* TIF_32BIT */
#endif
}

static __always_inline s32 take_registers(struct scratch *s, struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	s->args[0] = BPF_CORE_READ(regs, di);
	s->args[1] = BPF_CORE_READ(regs, si);
	s->args[2] = BPF_CORE_READ(regs, dx);
	s->args[3] = BPF_CORE_READ(regs, r10);
	s->args[4] = BPF_CORE_READ(regs, r8);
	s->args[5] = BPF_CORE_READ(regs, r9);
	return BPF_CORE_READ(regs, orig_ax);
#else
	s->args[0] = BPF_CORE_READ(regs, orig_x0);
	s->args[1] = BPF_CORE_READ(regs, regs[1]);
	s->args[2] = BPF_CORE_READ(regs, regs[2]);
	s->args[3] = BPF_CORE_READ(regs, regs[3]);
	s->args[4] = BPF_CORE_READ(regs, regs[4]);
	s->args[5] = BPF_CORE_READ(regs, regs[5]);
	return BPF_CORE_READ(regs, syscallno);
#endif
}

static __always_inline void dispatch(struct scratch *s)
{
	switch (s->call.class) {
	case CLASS_EXEC:
		if (s->ret >= 0)
			return;
	case CLASS_PATH:
	case CLASS_OPEN:
		do_path(0);
		do_path(1);
		return;
	case CLASS_MMAP:
	case CLASS_FD:
		if (s->ret >= 0)
			do_fd();
		return;
	case CLASS_CONNECT:
		do_connect();
		return;
	case CLASS_BIND:
		do_local(EVENT_BIND);
		return;
	case CLASS_LISTEN:
		do_local(EVENT_LISTEN);
		return;
	case CLASS_ACCEPT:
		do_local(EVENT_ACCEPT);
		return;
	case CLASS_BUFFER:
	case CLASS_VECTOR:
	case CLASS_MESSAGE:
		do_traffic();
		return;
	case CLASS_MESSAGES:
		do_messages();
		return;
	}
}

/* enter takes the scratch space of this CPU for a process. */
static __always_inline struct scratch *enter(struct proc *proc)
{
	struct scratch *s = scratch();

	if (!s)
		return 0;
	if (s->busy) {
		count(COUNT_BUSY);
		return 0;
	}
	s->busy = 1;
	s->proc = *proc;
	s->epoch = current_epoch();
	return s;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	u32 tgid = current_tgid(), nr, *mark_used;
	struct proc *proc = bpf_map_lookup_elem(&procs, &tgid);
	struct scratch *s;
	struct call *call;

	if (!proc)
		return 0;
	if (is_compat(regs)) {
		count(COUNT_COMPAT);
		return 0;
	}
	if (ret <= -ERESTARTSYS && ret >= -ERESTART_LAST)
		return 0;
	s = enter(proc);
	if (!s)
		return 0;
	nr = take_registers(s, regs);
	s->ret = ret;
	s->nr = nr;
	mark_used = bpf_map_lookup_elem(&used, &nr);
	if (mark_used && !*mark_used)
		*mark_used = 1;
	call = bpf_map_lookup_elem(&calls, &nr);
	if (call && call->class) {
		s->call = *call;
		dispatch(s);
	}
	s->busy = 0;
	return 0;
}

static __always_inline bool in_cgroup(struct cgroup *cgroup)
{
	for (u32 i = 0; i < 8; i++) {
		struct cgroup_subsys_state *up;
		u64 id;

		if (!cgroup)
			return false;
		id = BPF_CORE_READ(cgroup, kn, id);
		if (bpf_map_lookup_elem(&cgroups, &id))
			return true;
		up = BPF_CORE_READ(cgroup, self.parent);
		if (!up)
			return false;
		cgroup = BPF_CORE_READ(up, cgroup);
	}
	return false;
}

/* is_target reports whether this process, which executes something, is in the container. */
__noinline int is_target(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	u32 mntns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	struct config *c = configuration();
	struct cgroup_subsys_state *pids;
	u32 one = 1;

	if (bpf_map_lookup_elem(&targets, &mntns))
		return 1;
	if (!c || !c->by_cgroup || mntns == c->host_mntns)
		return 0;
	if (!in_cgroup(BPF_CORE_READ(task, cgroups, dfl_cgrp))) {
		u32 id = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
		struct css_set *set = BPF_CORE_READ(task, cgroups);

		pids = 0;
		bpf_probe_read_kernel(&pids, sizeof(pids), __builtin_preserve_access_index(&set->subsys[0]) + id);
		if (!pids || !in_cgroup(BPF_CORE_READ(pids, cgroup)))
			return 0;
	}
	bpf_map_update_elem(&targets, &mntns, &one, BPF_ANY);
	return 1;
}

static __always_inline bool admit(struct proc *proc)
{
	struct config *c = configuration();

	if (!c || !is_target())
		return false;
	proc->exe = 0;
	proc->origin = __sync_lock_test_and_set(&c->armed, 1) ? ORIGIN_ENTERED : ORIGIN_ENTRYPOINT;
	return true;
}

/* do_exec sends the execution that made this process what it is, and gives its id. */
__noinline u64 do_exec(u64 file_at, u64 filename, u64 interp)
{
	struct scratch *s = scratch();
	struct config *c = configuration();
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct file *f = (struct file *)file_at;
	struct path full = {}, base = {};
	u64 exe, key, from, to;
	struct inode *inode;
	u32 off, len;
	long n;

	if (!s || !c)
		return 0;
	reset(s, EVENT_EXEC);
	n = bpf_probe_read_kernel_str(s->data, MAX_STRING, (void *)filename);
	if (n <= 0)
		n = 1;
	asm volatile("" : "+r"(n));
	if (n < 1 || n > MAX_STRING)
		return 0;
	off = n;
	s->head.len[0] = n - 1;
	full.mnt = BPF_CORE_READ(f, f_path.mnt);
	full.dentry = BPF_CORE_READ(f, f_path.dentry);
	inode = BPF_CORE_READ(f, f_inode);
	describe(inode, &s->head.ino, &s->head.dev, &s->head.magic);
	base.mnt = BPF_CORE_READ(task, fs, pwd.mnt);
	base.dentry = BPF_CORE_READ(task, fs, pwd.dentry);
	exe = mix(mix(s->head.ino, s->head.dev), (u64)full.dentry);
	exe = hash_data(0, n, exe);

	/* The interpreter's name and the arguments. */
	n = bpf_probe_read_kernel_str(&s->data[off & DATA_MASK], MAX_NAME, (void *)interp);
	if (n < 1 || n > MAX_NAME) {
		s->data[off & DATA_MASK] = 0;
		n = 1;
	}
	len = n;
	from = BPF_CORE_READ(task, mm, arg_start);
	to = BPF_CORE_READ(task, mm, arg_end);
	n = bpf_probe_read_user_str(&s->data[(off + len) & DATA_MASK], MAX_NAME, (void *)from);
	if (n > 0 && n <= MAX_NAME)
		exe = hash_data(off + len, n, exe);
	n = to - from;
	if (n < 0)
		n = 0;
	if (n > MAX_ARGV)
		n = MAX_ARGV;
	asm volatile("" : "+r"(n));
	if (n >= 0 && n <= MAX_ARGV && !bpf_probe_read_user(&s->data[(off + len) & DATA_MASK], n, (void *)from))
		len += n;
	s->head.len[3] = len;
	s->head.aux = s->proc.exe;
	s->head.mode = s->proc.origin | (BPF_CORE_READ(task, signal, tty) ? 0x100 : 0);
	s->head.flags = BPF_CORE_READ(task, cred, euid.val);
	key = mix(mix(exe, s->proc.exe), ((u64)s->epoch << 32) | s->head.mode);
	key = mix(mix(key, s->head.flags), (u64)base.dentry);
	if (c->argv || s->proc.origin >= ORIGIN_ENTERED)
		key = hash_data(off, len, key);
	s->proc.exe = exe;
	if (is_dup(key))
		return exe;
	off += len;
	off = put_walk(s, &base, off, 1);
	off = put_walk(s, &full, off, 2);
	send(key, off);
	return exe;
}

/*
 * note_execveat notes that call, which x86 takes for execve when it returns. One
 * with a path that is absolute, or relative to the working directory, is taken for
 * execve here as well.
 */
static __always_inline void note_execveat(struct linux_binprm *bprm)
{
#if defined(__TARGET_ARCH_x86)
	u32 nr = 322, *mark_used;

	if (!bpf_core_field_exists(bprm->fdpath) || !BPF_CORE_READ(bprm, fdpath))
		return;
	mark_used = bpf_map_lookup_elem(&used, &nr);
	if (mark_used)
		*mark_used = 1;
#endif
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old, struct linux_binprm *bprm)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct proc *known = bpf_map_lookup_elem(&procs, &tgid);
	struct proc proc = {};
	struct scratch *s;

	if (known)
		proc = *known;
	else if (!admit(&proc))
		return 0;
	s = enter(&proc);
	if (!s)
		return 0;
	s->ret = 0;
	s->nr = 0;
	proc.exe = do_exec((u64)BPF_CORE_READ(bprm, file), (u64)BPF_CORE_READ(bprm, filename),
			   (u64)BPF_CORE_READ(bprm, interp));
	s->busy = 0;
	note_execveat(bprm);
	if (bpf_map_update_elem(&procs, &tgid, &proc, BPF_ANY))
		count(COUNT_PROCS);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	u32 from = BPF_CORE_READ(parent, tgid), to = BPF_CORE_READ(child, tgid);
	struct proc *known, proc;

	if (from == to)
		return 0;
	known = bpf_map_lookup_elem(&procs, &from);
	if (!known)
		return 0;
	proc = *known;
	if (proc.origin == ORIGIN_ENTRYPOINT)
		proc.origin = ORIGIN_CHILD;
	if (proc.origin == ORIGIN_ENTERED)
		proc.origin = ORIGIN_ENTERED_CHILD;
	if (bpf_map_update_elem(&procs, &to, &proc, BPF_ANY))
		count(COUNT_PROCS);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);

	if (BPF_CORE_READ(task, signal, live.counter) == 0)
		bpf_map_delete_elem(&procs, &tgid);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_tcp_state, struct sock *sk, int old, int new)
{
	struct {
		struct head head;
		struct net net;
	} e = {};
	u64 at = (u64)sk;
	struct proc *proc;
	u64 key;

	if (new == TCP_SYN_SENT) {
		u32 tgid = current_tgid();

		proc = bpf_map_lookup_elem(&procs, &tgid);
		if (proc)
			bpf_map_update_elem(&dialing, &at, proc, BPF_ANY);
		return 0;
	}
	if (old != TCP_SYN_SENT)
		return 0;
	proc = bpf_map_lookup_elem(&dialing, &at);
	if (!proc)
		return 0;
	e.head.ts = bpf_ktime_get_boot_ns();
	e.head.exe = proc->exe;
	e.head.epoch = current_epoch();
	e.head.type = EVENT_TCP;
	bpf_map_delete_elem(&dialing, &at);
	read_sock(sk, &e.net);
	e.net.state = new;
	if (new != TCP_ESTABLISHED)
		e.head.ret = -BPF_CORE_READ(sk, sk_err);
	key = mix(mix(e.head.exe, ((u64)e.head.epoch << 32) | EVENT_TCP), ((u64)e.net.rport << 32) | (u32)e.head.ret);
	key = mix(mix(key, *(u64 *)&e.net.raddr[0]), *(u64 *)&e.net.raddr[8]);
	key = mix(key, new);
	if (is_dup(key))
		return 0;
	e.head.key = key;
	mark(key, bpf_ringbuf_output(&events, &e, sizeof(e), 0));
	return 0;
}

SEC("tp_btf/cap_capable")
int BPF_PROG(on_capable, const struct cred *cred, void *target_ns, const void *capable_ns, int cap, int ret)
{
	u32 tgid = current_tgid();
	struct proc *proc = bpf_map_lookup_elem(&procs, &tgid);
	struct head e = {};
	struct pt_regs *regs;
	u64 key;

	if (!proc)
		return 0;
	e.exe = proc->exe;
	e.epoch = current_epoch();
	e.type = EVENT_CAP;
	e.mode = cap;
	e.ret = ret;
	e.tgid = tgid;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
#if defined(__TARGET_ARCH_x86)
	e.nr = BPF_CORE_READ(regs, orig_ax);
#else
	e.nr = BPF_CORE_READ(regs, syscallno);
#endif
	key = mix(mix(e.exe, ((u64)e.epoch << 32) | EVENT_CAP << 16 | e.nr), ((u64)cap << 32) | (u32)ret);
	if (is_dup(key))
		return 0;
	e.key = key;
	e.ts = bpf_ktime_get_boot_ns();
	mark(key, bpf_ringbuf_output(&events, &e, sizeof(e), 0));
	return 0;
}

/* Operations of io_uring that name paths, and those that move data. */
enum {
	URING_SENDMSG = 9,
	URING_RECVMSG = 10,
	URING_ACCEPT = 13,
	URING_OPENAT = 18,
	URING_STATX = 21,
	URING_SEND = 26,
	URING_RECV = 27,
	URING_OPENAT2 = 28,
	URING_RENAMEAT = 35,
	URING_UNLINKAT = 36,
	URING_MKDIRAT = 37,
	URING_SYMLINKAT = 38,
	URING_LINKAT = 39,
};

/* do_uring sends one path of an operation. */
static __always_inline void do_uring(struct scratch *s, struct filename *name, int dfd, u32 arg)
{
	long n = bpf_probe_read_kernel_str(s->data, MAX_STRING, (void *)BPF_CORE_READ(name, name));

	if (n <= 0) {
		count(COUNT_PATHERR);
		return;
	}
	do_string(n, dfd, -1, arg | 8, 0);
}

#define URING_ONE(kind) do_uring(s, BPF_CORE_READ((struct kind *)req, filename), BPF_CORE_READ((struct kind *)req, dfd), 0)

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(on_uring, struct io_kiocb *req)
{
	u32 tgid = current_tgid();
	struct proc *proc = bpf_map_lookup_elem(&procs, &tgid);
	struct scratch *s;
	u8 op;

	if (!proc)
		return 0;
	op = BPF_CORE_READ(req, opcode);
	switch (op) {
	case URING_SENDMSG:
	case URING_RECVMSG:
	case URING_ACCEPT:
	case URING_SEND:
	case URING_RECV:
		count(COUNT_URING_NET);
		return 0;
	case URING_OPENAT:
	case URING_OPENAT2:
	case URING_STATX:
	case URING_UNLINKAT:
	case URING_MKDIRAT:
	case URING_RENAMEAT:
	case URING_LINKAT:
	case URING_SYMLINKAT:
		break;
	default:
		return 0;
	}
	s = enter(proc);
	if (!s)
		return 0;
	count(COUNT_URING_FILE);
	s->ret = 0;
	s->nr = op;
	switch (op) {
	case URING_OPENAT:
	case URING_OPENAT2:
		URING_ONE(io_open);
		break;
	case URING_STATX:
		URING_ONE(io_statx);
		break;
	case URING_UNLINKAT:
		URING_ONE(io_unlink);
		break;
	case URING_MKDIRAT:
		URING_ONE(io_mkdir);
		break;
	case URING_RENAMEAT:
		do_uring(s, BPF_CORE_READ((struct io_rename *)req, oldpath), BPF_CORE_READ((struct io_rename *)req, old_dfd), 0);
		do_uring(s, BPF_CORE_READ((struct io_rename *)req, newpath), BPF_CORE_READ((struct io_rename *)req, new_dfd), 1);
		break;
	case URING_LINKAT:
		do_uring(s, BPF_CORE_READ((struct io_link *)req, oldpath), BPF_CORE_READ((struct io_link *)req, old_dfd), 0);
		do_uring(s, BPF_CORE_READ((struct io_link *)req, newpath), BPF_CORE_READ((struct io_link *)req, new_dfd), 1);
		break;
	case URING_SYMLINKAT:
		do_uring(s, BPF_CORE_READ((struct io_link *)req, newpath), BPF_CORE_READ((struct io_link *)req, new_dfd), 1);
		break;
	}
	s->busy = 0;
	return 0;
}
