package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// mountThread is a thread with a mount namespace of its own. What is mounted
// there is gone when the process ends, however it ends.
type mountThread struct {
	work chan func()
	done chan struct{}
}

var errClosed = errors.New("the box is closed")

// newMountThread makes the thread and its namespace, with control groups as a
// runtime wants them.
func newMountThread(runtime string) (*mountThread, error) {
	hide := hides(runtime)

	m := &mountThread{work: make(chan func()), done: make(chan struct{})}
	ready := make(chan error)
	go onSpareThread(func() {
		err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
		if err == nil { // nothing that is mounted here shows on the host
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil && hide {
			err = unix.Unmount(cgroupUnified, unix.MNT_DETACH)
		}
		ready <- err
		if err != nil {
			return
		}
		for {
			select {
			case f := <-m.work:
				f()
			case <-m.done:
				return
			}
		}
	})
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("making a mount namespace: %w", err)
	}
	return m, nil
}

// do runs f in the namespace, and waits for it. Processes that it starts are
// there, too.
func (m *mountThread) do(f func() error) error {
	result := make(chan error)
	select {
	case m.work <- func() { result <- f() }:
		return <-result
	case <-m.done:
		return errClosed
	}
}

// close ends the thread: the namespace goes with its last process.
func (m *mountThread) close() { close(m.done) }

// onSpareThread runs f on a thread that ends afterwards and waits for it. It is
// never the main thread: that one stays, and /proc/self shows its namespaces.
func onSpareThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			onSpareThread(f) // cannot land here: this thread is locked
			runtime.UnlockOSThread()
			return
		}
		f() // never unlocked: the thread ends with the goroutine
	}()
	<-done
}

// newNetNS makes a network namespace with nothing in it, held by a descriptor.
func newNetNS() (ns *os.File, err error) {
	onSpareThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("making a network namespace: %w", err)
			return
		}
		ns, err = os.Open("/proc/thread-self/ns/net")
	})
	return ns, err
}

// inNetNS runs f on a thread in a network namespace.
func inNetNS(ns *os.File, f func() error) (err error) {
	onSpareThread(func() {
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("entering the network namespace: %w", err)
			return
		}
		err = f()
	})
	return err
}

// fdPath names a descriptor of this process for other ones.
func fdPath(f *os.File) string {
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(f.Fd()))
}
