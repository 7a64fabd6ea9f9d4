/*
 * Records what the processes of one container do. See ../doc.go for the design.
 *
 * A process counts once it has executed something in the container's mount
 * namespace, and with it its descendants: what a runtime does while it sets the
 * container up is not seen.
 */
#include "exec.h"
#include "files.h"
#include "traffic.h"
#include "uring.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline bool is_compat(struct pt_regs *regs)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(task, thread_info.status) & 2; /* TS_COMPAT */
#else
	return BPF_CORE_READ(task, thread_info.flags) & (1 << 22); /* TIF_32BIT */
#endif
}

/* The registers are read without a helper: this runs for every system call. */
static __always_inline u32 number_of(struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	return regs->orig_ax;
#else
	return regs->syscallno;
#endif
}

static __always_inline void take_registers(struct scratch *s, struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	s->args[0] = regs->di;
	s->args[1] = regs->si;
	s->args[2] = regs->dx;
	s->args[3] = regs->r10;
	s->args[4] = regs->r8;
	s->args[5] = regs->r9;
#else
	s->args[0] = regs->orig_x0;
	s->args[1] = regs->regs[1];
	s->args[2] = regs->regs[2];
	s->args[3] = regs->regs[3];
	s->args[4] = regs->regs[4];
	s->args[5] = regs->regs[5];
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
	nr = number_of(regs);
	mark_used = bpf_map_lookup_elem(&used, &nr);
	if (mark_used && !*mark_used)
		*mark_used = 1;
	call = bpf_map_lookup_elem(&calls, &nr);
	if (!call || !call->class)
		return 0;
	s = enter(proc);
	if (!s)
		return 0;
	take_registers(s, regs);
	s->ret = ret;
	s->nr = nr;
	s->call = *call;
	dispatch(s);
	s->busy = 0;
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
		tabled(bpf_map_delete_elem(&procs, &tgid));
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
			tabled(bpf_map_update_elem(&dialing, &at, proc, BPF_ANY));
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
	tabled(bpf_map_delete_elem(&dialing, &at));
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
	mark(key, bpf_ringbuf_output(&events, &e, sizeof(e), wake(0)));
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

	/* The kernel also checks its own credentials in a process' name, such as those
	 * of who mounted an overlay: whether it has the same is by chance. */
	if (!proc || cred != BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), real_cred))
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
	mark(key, bpf_ringbuf_output(&events, &e, sizeof(e), wake(0)));
	return 0;
}
