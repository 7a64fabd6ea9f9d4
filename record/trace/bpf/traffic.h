/* System calls that move data: who is talked to, and messages of name servers. */
#ifndef LATHE_TRAFFIC_H
#define LATHE_TRAFFIC_H

#include "sockets.h"

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
	tabled(bpf_map_update_elem(&talks, &talk, &who, BPF_ANY));
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

	if (!s || (s->ret < 0 && !s->call.out))
		return 0;
	if (!is_followed(s->args[0]) || sock_of(s->args[0]))
		return 0;
	if (s->net.family != AF_INET && s->net.family != AF_INET6)
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

#endif
