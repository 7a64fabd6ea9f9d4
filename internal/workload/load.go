//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// Sizes of the loads.
const (
	connections = 8
	requests    = 500 // of a connection
	treeDirs    = 40
	treeFiles   = 100 // of a directory
)

// serve is the load of a web server: connections that stay, a file opened, read
// and sent for each request.
func serve() error {
	l, err := net.Listen("tcp", "127.0.0.1:8000")
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go respond(c)
		}
	}()
	var wait sync.WaitGroup
	errs := make([]error, connections)
	for i := range errs {
		wait.Add(1)
		go func() {
			defer wait.Done()
			errs[i] = request()
		}()
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func respond(c net.Conn) {
	defer func() { _ = c.Close() }()
	buf := make([]byte, 64)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
		page, err := os.ReadFile("/etc/page")
		if err != nil {
			return
		}
		if _, err := c.Write(page); err != nil {
			return
		}
	}
}

func request() error {
	c, err := net.Dial("tcp", "127.0.0.1:8000")
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	buf := make([]byte, 4096)
	for range requests {
		if _, err := c.Write([]byte("GET /")); err != nil {
			return err
		}
		if _, err := c.Read(buf); err != nil {
			return err
		}
	}
	return nil
}

// plant makes the tree that walk reads.
func plant() error {
	for i := range treeDirs {
		dir := fmt.Sprintf("/tree/%02d", i)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for j := range treeFiles {
			if err := os.WriteFile(fmt.Sprintf("%s/%03d", dir, j), []byte("content"), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// walk reads every file of a tree once.
func walk() error {
	if err := plant(); err != nil {
		return err
	}
	return filepath.WalkDir("/tree", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		_, err = os.ReadFile(name)
		return err
	})
}
