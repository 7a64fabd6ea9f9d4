/*
 * What the program and its loader share: events, the table of system calls and
 * the counters. record/trace/event.go and calls.go decode the same layouts.
 */
#ifndef LATHE_EVENT_H
#define LATHE_EVENT_H

#include "vmlinux.h"

/* Kinds of events. */
enum {
	EVENT_EXEC = 1,
	EVENT_PATH = 2,
	EVENT_FD = 3,
	EVENT_CONNECT = 4,
	EVENT_BIND = 5,
	EVENT_LISTEN = 6,
	EVENT_ACCEPT = 7,
	EVENT_SENT = 8,
	EVENT_HEARD = 9,
	EVENT_DATA = 10,
	EVENT_TCP = 11,
	EVENT_CAP = 12,
};

/* Bits of head.arg above the number of the argument. */
#define ARG_NAMELESS 0x10   /* the resolved object has no place in a file system */
#define ARG_BASE_CUT 0x20   /* the directory's path was too deep to walk */
#define ARG_FULL_CUT 0x40   /* the resolved path was too deep to walk */
#define ARG_OUT 0x80        /* data was sent, not received */

struct head {
	u64 ts;       /* boot clock, ns */
	u64 key;      /* of deduplication */
	u64 exe;      /* id of the executable */
	u64 aux;      /* exec: the parent's id; sockets: the socket's inode */
	u64 ino;      /* of the resolved object */
	u64 base_ino; /* of the directory that the string is relative to */
	u32 dev, base_dev;
	u32 magic, base_magic;
	u32 tgid;
	s32 ret;
	u32 mode;     /* file mode; exec: origin, bit 8 for a terminal */
	u32 flags;    /* of the call; exec: the user id */
	u32 epoch;
	u16 nr;
	u8 type;
	u8 arg;
	/* string as requested; directory and resolved object, leaf first, a NUL
	 * after each name; exec: interpreter and arguments */
	u16 len[4];
};

struct net {
	u16 family, type, protocol, lport, rport;
	u8 state, locks;
	u32 pad;
	u8 laddr[16], raddr[16];
};

/* Classes of system calls. */
enum {
	CLASS_NONE = 0,
	CLASS_PATH = 1,
	CLASS_OPEN = 2,
	CLASS_EXEC = 3,
	CLASS_MMAP = 4,
	CLASS_FD = 5,
	CLASS_CONNECT = 6,
	CLASS_BIND = 7,
	CLASS_LISTEN = 8,
	CLASS_ACCEPT = 9,
	CLASS_BUFFER = 10,
	CLASS_VECTOR = 11,
	CLASS_MESSAGE = 12,
	CLASS_MESSAGES = 13,
};

#define NO_ARG 255

struct call {
	u8 class;
	u8 path[2];  /* numbers of the arguments that are paths */
	u8 dir[2];   /* and of their directories; NO_ARG: the working directory */
	u8 flags;    /* number of the argument with flags; NO_ARG: none */
	u8 how;      /* the flags are in a struct open_how */
	u8 out;      /* data is sent */
	u8 peer;     /* number of the argument with the peer's address */
	u8 pad[7];
};

/* Counters. */
enum {
	COUNT_LOST = 0,
	COUNT_TRUNC = 1,
	COUNT_PATHERR = 2,
	COUNT_FDERR = 3,
	COUNT_COMPAT = 4,
	COUNT_PROCS = 5,
	COUNT_BUSY = 6,
	COUNT_URING_NET = 7,
	COUNT_URING_FILE = 8,
	COUNT_EVENTS = 9,
	COUNT_TABLES = 10,
	COUNT_MAX = 16,
};

struct config {
	u64 host_mntns; /* never a target */
	u32 armed;      /* the first process has been seen */
	u32 by_cgroup;  /* targets are learned from cgroups */
	u32 argv;       /* command lines tell executions apart */
	u32 pad;
};

struct proc {
	u64 exe;
	u32 origin;
	u32 pad;
};

enum {
	ORIGIN_ENTRYPOINT = 1,
	ORIGIN_CHILD = 2,
	ORIGIN_ENTERED = 3,       /* came from outside the container */
	ORIGIN_ENTERED_CHILD = 4,
};

#endif
