/* System calls that connect, bind, listen and accept. */
#ifndef LATHE_SOCKETS_H
#define LATHE_SOCKETS_H

#include "walk.h"

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

/*
 * is_followed reports whether data on a descriptor matters: packets do, and
 * streams to name servers. It is the way out of most reads and writes, and
 * therefore reads little.
 */
static __always_inline bool is_followed(u32 fd)
{
	struct file *f = file_of(fd);
	struct socket *sock;
	struct sock *sk;

	if (!f || (BPF_CORE_READ(f, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return false;
	sock = BPF_CORE_READ(f, private_data);
	sk = BPF_CORE_READ(sock, sk);
	if (BPF_CORE_READ(sk, sk_type) != SOCK_STREAM)
		return true;
	return BPF_CORE_READ(sk, __sk_common.skc_dport) == __builtin_bswap16(DNS_PORT);
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
			tabled(bpf_map_update_elem(&bound, &s->sock_ino, &one, BPF_ANY));
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

#endif
