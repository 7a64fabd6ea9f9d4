//go:build linux

package sandbox_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/record/sandbox"
)

// greeter is a server on the host that says hello.
func greeter(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, bytes.NewReader([]byte("hello from the host")))
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	box := openBox(t, runtimes(t)[0], webFiles, nil)
	host := greeter(t)
	link, err := sandbox.ParseLink("db=" + host)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(host)
	outside := hostAddress(t)
	c := start(t, box, sandbox.Options{Network: sandbox.Network{Mode: sandbox.NetworkNone}, Links: []sandbox.Link{link}})
	if got := ask(t, c, "dial", "db:"+port); got != "hello from the host" {
		t.Errorf("the link without a network: %q", got)
	}
	if _, err := fetch(c.Ports()[0].Host.String(), "dial", outside); err == nil {
		t.Error("without a network the host is reached")
	}
	nat := start(t, box, sandbox.Options{})
	if got := ask(t, nat, "dial", outside); got != "hello from the host" {
		t.Errorf("outbound: %q", got)
	}
	joined := sandbox.Network{Mode: sandbox.NetworkJoined, Path: fmt.Sprintf("/proc/%d/ns/net", c.PID())}
	o := sandbox.Options{Network: joined, Entrypoint: []string{"/bin/probe", "read", "/proc/net/route"}, Publish: []sandbox.Publish{}}
	store, err := box.NewStore()
	if err != nil {
		t.Fatal(err)
	}
	second, err := box.Start(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	<-second.Ended()
	if _, err := second.Stop(t.Context()); err != nil || !strings.Contains(second.Logs(), "eth0") {
		t.Errorf("in the other's network: %v %q", err, second.Logs())
	}
}

// hostAddress serves hello on an address of the host that is not its loopback.
func hostAddress(t *testing.T) string {
	t.Helper()
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() || n.IP.To4() == nil {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(n.IP.String(), "0"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte("hello from the host"))
				_ = conn.Close()
			}
		}()
		return l.Addr().String()
	}
	t.Skip("NOT TESTED: this host has no address but the loopback")
	return ""
}
