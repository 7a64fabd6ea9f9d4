/* Executions, and which of them are the container's. */
#ifndef LATHE_EXEC_H
#define LATHE_EXEC_H

#include "walk.h"

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

/*
 * is_target reports whether this process, which executes something, is in the
 * container. The loader holds the namespace that it names: the kernel gives the
 * number of one that has ended to the next. So none is learned from a cgroup.
 */
__noinline int is_target(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	u32 mntns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	struct config *c = configuration();
	struct cgroup_subsys_state *pids;

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
	if (n <= 0) {
		count(COUNT_PATHERR);
		s->data[0] = 0;
		n = 1;
	}
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

#endif
