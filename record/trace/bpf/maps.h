/* The maps, the scratch space, and how events are sent once. */
#ifndef LATHE_MAPS_H
#define LATHE_MAPS_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "event.h"

#define MAX_STRING 4096
#define MAX_NAME 256
#define MAX_DEPTH 72
#define MAX_HASHED 512
#define MAX_ARGV 1024
#define MAX_PAYLOAD 4096
#define DATA_MASK 0x3fff
#define WAKE_WINDOW 1024

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
#define ENOENT 2
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

/* TCP connections under way, by the address of their socket. Every one leaves
 * that state, so that what does not fit is known and counted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
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

/* tabled counts a change of a table that the kernel refused. */
static __always_inline void tabled(long refused)
{
	if (refused && refused != -ENOENT)
		count(COUNT_TABLES);
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

/*
 * wake says whether the reader has to be told of an event. It looks by itself
 * ten times a second: being woken for each event costs the container more than
 * the event. An execution cannot wait, since the reader asks the kernel about
 * the process; nor can every sixteenth of a ring that fills up.
 */
static __always_inline u64 wake(u8 type)
{
	u64 waiting = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA), part = bpf_ringbuf_query(&events, BPF_RB_RING_SIZE) / 16;

	if (type == EVENT_EXEC || (waiting >= part && (waiting & (part - 1)) < WAKE_WINDOW))
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
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
	bpf_map_update_elem(&seen, &key, &one, BPF_ANY); /* one that is refused is sent twice */
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
	mark(key, bpf_ringbuf_output(&events, &s->head, sizeof(struct head) + len, wake(s->head.type)));
	return 0;
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

#endif
