package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// runLoad asks a server in the network of a process for files and prints how
// many nanoseconds that took. It is a process of its own, so that its CPU can be
// told from that of a recorder.
func runLoad(args []string) error {
	if len(args) != 2 {
		return errors.New("a load needs a process and a port")
	}
	list, err := dialIn("/proc/"+args[0]+"/ns/net", net.JoinHostPort("127.0.0.1", args[1]))
	if err != nil {
		return err
	}
	done := make(chan error, len(list))
	begin := time.Now()
	for _, c := range list {
		go func() { done <- ask(c, requests/connections) }()
	}
	for range list {
		err = errors.Join(err, <-done)
	}
	took := time.Since(begin)
	if err == nil {
		_, err = fmt.Fprintln(os.Stdout, strconv.FormatInt(took.Nanoseconds(), 10))
	}
	return err
}

// dialIn opens the connections in a network namespace. A socket belongs to that
// of the thread that makes it.
func dialIn(namespace, address string) ([]net.Conn, error) {
	runtime.LockOSThread() // for good: the thread stays where it is
	f, err := os.Open(namespace)
	if err != nil {
		return nil, fmt.Errorf("finding the network of the container: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("entering the network of the container: %w", err)
	}
	var list []net.Conn
	for range connections {
		c, err := net.DialTimeout("tcp", address, readyLimit)
		if err != nil {
			return nil, fmt.Errorf("connecting to the server: %w", err)
		}
		list = append(list, c)
	}
	return list, nil
}

// wanted are the files of examples/nginx, and one that is not there.
func wanted() map[string]int {
	return map[string]int{"/": http.StatusOK, "/about.html": http.StatusOK, "/style.css": http.StatusOK, "/missing": http.StatusNotFound}
}

// ask makes n requests on a connection, one after the other.
func ask(c net.Conn, n int) error {
	defer c.Close() //nolint:errcheck // nothing is lost
	type page struct {
		request []byte
		status  int
	}
	var pages []page
	for path, status := range wanted() {
		pages = append(pages, page{[]byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"), status})
	}
	in := bufio.NewReader(c)
	for i := range n {
		p := pages[i%len(pages)]
		if _, err := c.Write(p.request); err != nil {
			return fmt.Errorf("asking: %w", err)
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
		if answer.StatusCode != p.status || answer.Close && i < n-1 {
			return fmt.Errorf("status %d, want %d on a connection that stays", answer.StatusCode, p.status)
		}
	}
	return nil
}
