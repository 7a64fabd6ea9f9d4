//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// loopback turns the loopback interface of a new network namespace on.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// network listens, accepts and connects, in every way.
func network() error {
	return must(
		func() error { return talk("tcp", "127.0.0.1:80") },
		func() error { return talk("tcp", "[::1]:8081") },
		func() error { return refused("127.0.0.1:9") },
		func() error { return blocking([4]byte{127, 0, 0, 1}, 10, unix.ECONNREFUSED) },
		func() error { return blocking([4]byte{203, 0, 113, 1}, 443, unix.ENETUNREACH) },
		func() error {
			c, err := net.Dial("udp", "127.0.0.1:7777")
			if err != nil {
				return err
			}
			return c.Close()
		},
		packets,
		func() error {
			_, err := net.Dial("unix", "/run/missing.sock")
			return failing(err, unix.ENOENT)
		},
		func() error { return talk("unix", "/run/here.sock") },
	)
}

// talk serves one connection and makes it.
func talk(kind, address string) error {
	l, err := net.Listen(kind, address)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = c.Write([]byte("hello"))
			_ = c.Close()
		}
		done <- err
	}()
	c, err := net.DialTimeout(kind, address, 10*time.Second)
	if err != nil {
		return err
	}
	if _, err := c.Read(make([]byte, 8)); err != nil {
		return err
	}
	_ = c.Close()
	return <-done
}

func refused(address string) error {
	_, err := net.DialTimeout("tcp", address, 10*time.Second)
	return failing(err, unix.ECONNREFUSED)
}

// blocking connects without the runtime's poller.
func blocking(ip [4]byte, port int, want error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return failing(unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: ip}), want)
}

// packets sends to a server, which answers, and to nobody.
func packets() error {
	server, err := net.ListenPacket("udp", "127.0.0.1:7779")
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	client, err := net.Dial("udp", "127.0.0.1:7779")
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	buf := make([]byte, 8)
	return must(
		func() error { _, err := client.Write([]byte("ask")); return err },
		func() error {
			_, from, err := server.ReadFrom(buf)
			if err != nil {
				return err
			}
			_, err = server.WriteTo([]byte("yes"), from)
			return err
		},
		func() error { _, err := client.Read(buf); return err },
		func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			if err != nil {
				return err
			}
			defer func() { _ = unix.Close(fd) }()
			return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Port: 7778, Addr: [4]byte{127, 0, 0, 1}})
		},
	)
}

// names asks a name server that it is itself.
func names() error {
	for _, address := range []string{"127.0.0.1:53", "[::1]:53"} {
		udp, err := net.ListenPacket("udp", address)
		if err != nil {
			return err
		}
		tcp, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		go serveUDP(udp)
		go serveTCP(tcp)
	}
	return must(
		func() error { return ask("127.0.0.1:53", "read.example.", receiveRead) },
		func() error { return ask("[::1]:53", "msg.example.", receiveMessage) },
		func() error { return ask("127.0.0.1:53", "mmsg.example.", receiveMessages) },
		func() error { return askTCP("127.0.0.1:53", "tcp.example.") },
		func() error { return askTCP("[::1]:53", "tcp6.example.") },
		func() error { return talk("tcp", "127.9.8.7:5432") },
	)
}

func serveUDP(c net.PacketConn) {
	buf := make([]byte, 512)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply, err := answer(buf[:n]); err == nil {
			_, _ = c.WriteTo(reply, from)
		}
	}
}

func serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		buf := make([]byte, 514)
		n, err := c.Read(buf)
		if err != nil || n < 2 {
			continue
		}
		if reply, err := answer(buf[2:n]); err == nil {
			_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
		}
	}
}

// answer says that every name is 127.9.8.7.
func answer(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response = true
	m.Answers = []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
		Body:   &dnsmessage.AResource{A: [4]byte{127, 9, 8, 7}},
	}}
	return m.Pack()
}

func question(name string) ([]byte, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: uint16(os.Getpid()), RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: n, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	return m.Pack()
}

// ask sends a question on a connected socket and receives with a call of choice.
func ask(server, name string, receive func(fd int) error) error {
	packet, err := question(name)
	if err != nil {
		return err
	}
	c, err := net.Dial("udp", server)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write(packet); err != nil {
		return err
	}
	raw, err := c.(*net.UDPConn).SyscallConn() //nolint:forcetypeassert // it is one
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Read(func(fd uintptr) bool {
		inner = receive(int(fd))
		return inner != unix.EAGAIN //nolint:errorlint // as the call returned it
	}); err != nil {
		return err
	}
	return inner
}

func receiveRead(fd int) error {
	_, err := unix.Read(fd, make([]byte, 512))
	return err
}

func receiveMessage(fd int) error {
	_, _, _, _, err := unix.Recvmsg(fd, make([]byte, 512), nil, 0)
	return err
}

// receiveMessages uses recvmmsg, for which there is no wrapper.
func receiveMessages(fd int) error {
	buf := make([]byte, 512)
	vector := unix.Iovec{Base: &buf[0], Len: 512}
	messages := [2]struct {
		header unix.Msghdr
		n      uint32
		_      uint32
	}{}
	messages[0].header.Iov, messages[0].header.Iovlen = &vector, 1
	_, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), 1, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// askTCP reads the length first and then the message, as resolvers do.
func askTCP(server, name string) error {
	packet, err := question(name)
	if err != nil {
		return err
	}
	c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", server)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)); err != nil {
		return err
	}
	length := make([]byte, 2)
	if _, err := c.Read(length); err != nil {
		return err
	}
	n, err := c.Read(make([]byte, binary.BigEndian.Uint16(length)))
	if err != nil {
		return fmt.Errorf("reading %d: %w", n, err)
	}
	return nil
}

// wait serves until its input ends, after the recorder came.
func wait() error {
	l, err := net.Listen("tcp", "127.0.0.1:8088")
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	server, err := l.Accept()
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	open, err := os.Open("/etc/kept-open")
	if err != nil {
		return err
	}
	defer func() { _ = open.Close() }()
	_, _ = fmt.Fprintln(os.Stdout, "waiting")
	_, _ = os.Stdin.Read(make([]byte, 1))
	return read("/etc/after")()
}
