/* System calls on paths and on files that are open. */
#ifndef LATHE_FILES_H
#define LATHE_FILES_H

#include "walk.h"

/*
 * do_string sends the string of n bytes (its NUL too) that is in the data, with
 * the directory that it is relative to, and with the file that the call opened
 * where fd is one.
 */
__noinline int do_string(u32 n, s32 dirfd, s32 fd, u32 arg, u32 flags)
{
	struct scratch *s = scratch();
	struct path base = {}, full = {};
	struct inode *inode = 0;
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
	key = mix(mix(key, (u64)base.dentry), BPF_CORE_READ(base.dentry, d_inode, i_ino));
	if (fd >= 0) {
		struct file *f = file_of(fd);

		if (!f) {
			count(COUNT_FDERR);
		} else {
			full.mnt = BPF_CORE_READ(f, f_path.mnt);
			full.dentry = BPF_CORE_READ(f, f_path.dentry);
			inode = BPF_CORE_READ(f, f_inode);
			key = mix(mix(key, (u64)full.dentry), BPF_CORE_READ(inode, i_ino));
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
	/* New: the rest of what is known of it. */
	describe(BPF_CORE_READ(base.dentry, d_inode), &s->head.base_ino, &s->head.base_dev, &s->head.base_magic);
	if (inode) {
		describe(inode, &s->head.ino, &s->head.dev, &s->head.magic);
		s->head.mode = BPF_CORE_READ(inode, i_mode);
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
	key = mix(s->proc.exe, ((u64)s->epoch << 32) | s->nr << 8 | EVENT_FD);
	key = mix(mix(key, (u64)full.dentry), BPF_CORE_READ(inode, i_ino));
	key = mix(mix(key, BPF_CORE_READ(full.dentry, d_name.hash_len)), flags);
	if (is_dup(key))
		return 0;
	describe(inode, &s->head.ino, &s->head.dev, &s->head.magic);
	return send(key, put_walk(s, &full, 0, 2));
}

#endif
