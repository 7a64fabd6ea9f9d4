/* Paths, from the kernel's own objects. */
#ifndef LATHE_WALK_H
#define LATHE_WALK_H

#include "maps.h"

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

#endif
