package debimage

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// writeStandIn writes the layer of an Alpine look-alike: Debian's static
// busybox with a link for each applet, the files that every Alpine image has,
// and an apk database that lists them.
func (b Builder) writeStandIn(ctx context.Context, to string) error {
	suite, sources, err := b.release("")
	if err != nil {
		return err
	}
	run := bootstrap{
		variant: "extract", suite: suite, sources: sources,
		include: []string{"busybox-static"}, epoch: b.Epoch,
	}
	archive := b.cached("busybox", run)
	if !exists(archive) {
		b.note("fetching busybox for the Alpine stand-in (once)")
		if err := run.run(ctx, archive); err != nil {
			return err
		}
	}
	busybox, err := extractFile(ctx, archive, "bin/busybox", "usr/bin/busybox")
	if err != nil {
		return err
	}
	applets, err := appletPaths(ctx, b.Cache, busybox)
	if err != nil {
		return err
	}
	return b.writeEntries(to, standInEntries(busybox, applets))
}

// entry is a file, link or directory to write.
type entry struct {
	header tar.Header
	data   []byte
}

// extractFile returns the content of the first of names that archive has.
func extractFile(ctx context.Context, archive string, names ...string) ([]byte, error) {
	var data []byte
	err := readArchive(ctx, archive, func(h *tar.Header, r io.Reader) (err error) {
		if data == nil && h.Typeflag == tar.TypeReg && slices.Contains(names, h.Name) {
			data, err = io.ReadAll(r)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if data == nil {
		return nil, fmt.Errorf("reading %s: want one of %q", archive, names)
	}
	return data, nil
}

// appletPaths runs busybox for the paths of its applets, without leading
// slash.
func appletPaths(ctx context.Context, temp string, busybox []byte) (applets []string, err error) {
	dir, err := os.MkdirTemp(temp, "busybox-*")
	if err != nil {
		return nil, fmt.Errorf("running busybox: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program := filepath.Join(dir, "busybox")
	if err := os.WriteFile(program, busybox, 0o700); err != nil {
		return nil, fmt.Errorf("running busybox: %w", err)
	}
	output, err := exec.CommandContext(ctx, program, "--list-full").Output()
	if err != nil {
		return nil, fmt.Errorf("running busybox: %w", err)
	}
	for name := range strings.FieldsSeq(string(output)) {
		name = strings.TrimPrefix(path.Clean("/"+name), "/")
		if name != "bin/busybox" && strings.Contains(name, "/") {
			applets = append(applets, name)
		}
	}
	slices.Sort(applets)
	return slices.Compact(applets), nil
}

// standInPackage is a package of the stand-in with its files.
type standInPackage struct {
	name, version string
	entries       []entry
}

// standInEntries returns all entries of the stand-in, in no order.
func standInEntries(busybox []byte, applets []string) []entry {
	file := func(name, data string, mode int64) entry {
		return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data))}, []byte(data)}
	}
	shell := standInPackage{name: "busybox", version: "1.35.0-r0"}
	shell.entries = append(shell.entries, file("bin/busybox", string(busybox), 0o755))
	links := standInPackage{name: "busybox-binsh", version: "1.35.0-r0"}
	for _, name := range applets {
		e := entry{header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: "/bin/busybox", Mode: 0o777}}
		if name == "bin/sh" {
			links.entries = append(links.entries, e)
			continue
		}
		shell.entries = append(shell.entries, e)
	}
	layout := standInPackage{name: "alpine-baselayout", version: "3.4.3-r2", entries: []entry{
		file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n", 0o644),
		file("etc/group", "root:x:0:root\nnobody:x:65534:\n", 0o644),
		file("etc/hosts", "127.0.0.1\tlocalhost\n", 0o644),
		file("etc/shells", "/bin/sh\n", 0o644),
	}}
	release := standInPackage{name: "alpine-release", version: "3.19.0-r0", entries: []entry{
		file("etc/os-release", "NAME=\"Alpine Linux stand-in\"\nID=alpine\nVERSION_ID=3.19.0\n", 0o644),
		file("etc/alpine-release", "3.19.0\n", 0o644),
	}}
	packages := []standInPackage{layout, release, shell, links}
	all := []entry{file("lib/apk/db/installed", apkDatabase(packages), 0o644)}
	for _, p := range packages {
		all = append(all, p.entries...)
	}
	return append(
		all,
		file("etc/apk/world", "alpine-baselayout\nalpine-release\nbusybox\nbusybox-binsh\n", 0o644),
		file("lib/apk/db/triggers", "", 0o644),
		file("lib/apk/db/scripts.tar", emptyArchive(), 0o644),
	)
}

// apkDatabase writes the packages as apk's installed database does: a stanza
// a package, F lines for directories and R lines for the files in them
// (apk-tools 2, the format of lib/apk/db/installed).
func apkDatabase(packages []standInPackage) string {
	var db strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&db, "P:%s\nV:%s\nA:noarch\nT:stand-in for %s\no:%s\nL:GPL-2.0-only\n", p.name, p.version, p.name, p.name)
		byDir := map[string][]string{}
		var dirs []string
		for _, e := range p.entries {
			dir := path.Dir(e.header.Name)
			if byDir[dir] == nil {
				dirs = append(dirs, dir)
			}
			byDir[dir] = append(byDir[dir], path.Base(e.header.Name))
		}
		slices.Sort(dirs)
		for _, dir := range dirs {
			fmt.Fprintf(&db, "F:%s\n", dir)
			slices.Sort(byDir[dir])
			for _, name := range byDir[dir] {
				fmt.Fprintf(&db, "R:%s\n", name)
			}
		}
		db.WriteString("\n")
	}
	return db.String()
}

// emptyArchive returns the end of a tar archive and nothing before it.
func emptyArchive() string { return string(bytes.Repeat([]byte{0}, 1024)) }

// writeEntries writes a layer of the entries and their parents.
func (b Builder) writeEntries(to string, entries []entry) error {
	all := map[string]entry{}
	add := func(e entry) { all[e.header.Name] = e }
	for _, dir := range []string{"dev", "proc", "run", "sys", "var/log", "root"} {
		add(entry{header: tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}})
	}
	add(entry{header: tar.Header{Typeflag: tar.TypeDir, Name: "tmp", Mode: 0o1777}})
	for _, e := range entries {
		add(e)
	}
	names := make([]string, 0, len(all))
	for name := range all {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			names = append(names, dir)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	w, err := newLayerWriter(to)
	if err != nil {
		return err
	}
	return w.finish(to, func() error {
		for _, name := range slices.Compact(names) {
			e, ok := all[name]
			if !ok {
				e = entry{header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}}
			}
			e.header.ModTime = b.Epoch
			if err := w.put(&e.header, bytes.NewReader(e.data)); err != nil {
				return err
			}
		}
		return nil
	}())
}
