/* Requests of io_uring that name paths. */
#ifndef LATHE_URING_H
#define LATHE_URING_H

#include "files.h"

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

#endif
