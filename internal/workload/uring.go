//go:build linux

package main

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// params is struct io_uring_params of linux/io_uring.h.
type params struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	reserved                                                               [3]uint32
	sq                                                                     struct {
		head, tail, ringMask, ringEntries, flags, dropped, array, reserved uint32
		user                                                               uint64
	}
	cq struct {
		head, tail, ringMask, ringEntries, overflow, cqes, flags, reserved uint32
		user                                                               uint64
	}
}

// entry is struct io_uring_sqe.
type entry struct {
	opcode, flags        uint8
	priority             uint16
	fd                   int32
	off, addr            uint64
	len, opFlags         uint32
	user                 uint64
	buffer, personality  uint16
	file                 int32
	reserved1, reserved2 uint64
}

// uring opens a file by io_uring, where the kernel lets us.
func uring() error {
	var p params
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&p)), 0)
	if errors.Is(errno, unix.ENOSYS) || errors.Is(errno, unix.EPERM) {
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("io_uring_setup: %w", errno)
	}
	ring, err := unix.Mmap(int(fd), 0, int(p.sq.array+p.sqEntries*4), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	entries, err := unix.Mmap(int(fd), 0x10000000, int(p.sqEntries)*int(unsafe.Sizeof(entry{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	path, err := unix.BytePtrFromString("/etc/uring")
	if err != nil {
		return err
	}
	*(*entry)(unsafe.Pointer(&entries[0])) = entry{opcode: 18, fd: unix.AT_FDCWD, addr: uint64(uintptr(unsafe.Pointer(path)))}
	*(*uint32)(unsafe.Pointer(&ring[p.sq.array])) = 0
	*(*uint32)(unsafe.Pointer(&ring[p.sq.tail]))++
	n, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, fd, 1, 1, 1, 0, 0)
	if errno != 0 || n != 1 {
		return fmt.Errorf("io_uring_enter: %d, %w", n, errno)
	}
	return nil
}
