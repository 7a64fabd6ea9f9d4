package pkgdb

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// apk adds the changes of one of apk's databases.
func (e *edit) apk(a *apkDB) error {
	for _, step := range []func(*apkDB) error{e.apkInstalled, e.apkTriggers, e.apkScripts, e.apkScriptsGzip, e.apkWorld} {
		if err := step(a); err != nil {
			return err
		}
	}
	return nil
}

// apkInstalled edits the installed file record by record.
func (e *edit) apkInstalled(a *apkDB) error {
	name := a.dir + "/installed"
	content, ok, err := e.tree.read(name)
	if err != nil || !ok {
		return err
	}
	out := make([]byte, 0, len(content))
	for _, raw := range apkRecords(content) {
		pkg, _, _ := newApkPackage(raw)
		switch {
		case pkg.Name == "":
			out = append(out, raw...)
		case !e.drop[pkg.key()]:
			out = append(out, e.apkRecord(raw)...)
		}
	}
	e.out.set(name, content, out)
	return nil
}

// apkSection is a directory of a record while it is copied.
type apkSection struct {
	open     bool   // behind the first F line
	path     string // as recorded
	head     []byte // the lines of the directory itself
	body     []byte // the lines of the files that stay
	files    bool   // a file stays
	fileGone bool   // the current file does not stay
	inFile   bool   // behind an R line
}

// apkRecord returns a record without the gone files, and without the gone
// directories in which no file stays.
func (e *edit) apkRecord(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	var s apkSection
	for at := 0; at < len(raw); {
		next := lineEnd(raw, at)
		line := raw[at:next]
		letter, value := apkLine(line)
		at = next
		switch {
		case letter == 'F':
			out = append(out, e.apkClose(&s)...)
			s = apkSection{open: true, path: value, head: line}
		case !s.open, letter == 0:
			// Before the directories, and the empty lines behind all of them.
			out = append(out, e.apkClose(&s)...)
			out = append(out, line...)
			s = apkSection{open: s.open, path: s.path}
		case letter == 'R':
			s.inFile, s.fileGone = true, e.isGone(s.path+"/"+value, nil)
			if !s.fileGone {
				s.files = true
				s.body = append(s.body, line...)
			}
		case s.inFile && s.fileGone:
		case s.inFile:
			s.body = append(s.body, line...)
		default:
			s.head = append(s.head[:len(s.head):len(s.head)], line...)
		}
	}
	return append(out, e.apkClose(&s)...)
}

// apkClose returns what stays of a directory.
func (e *edit) apkClose(s *apkSection) []byte {
	if !s.files && e.isGone(s.path, nil) {
		return nil
	}
	return append(s.head[:len(s.head):len(s.head)], s.body...)
}

// apkTriggers drops the lines of dropped packages: a checksum and directories.
func (e *edit) apkTriggers(a *apkDB) error {
	name := a.dir + "/triggers"
	content, ok, err := e.tree.read(name)
	if err != nil || !ok {
		return err
	}
	e.out.set(name, content, filterLines(content, func(line []byte) bool {
		sum, _, _ := strings.Cut(string(line), " ")
		return !e.droppedSum(a, sum)
	}))
	return nil
}

// droppedSum says whether sum is the checksum of a dropped package.
func (e *edit) droppedSum(a *apkDB, sum string) bool {
	k, ok := a.sums[sum]
	return ok && e.drop[k]
}

// droppedScript says whether a name in scripts.tar, of the form
// name-version.checksum.action, is of a dropped package.
func (e *edit) droppedScript(a *apkDB, name string) bool {
	action := strings.LastIndexByte(name, '.')
	if action < 0 {
		return false
	}
	return e.droppedSum(a, name[strings.LastIndexByte(name[:action], '.')+1:action])
}

// apkScripts edits scripts.tar.
func (e *edit) apkScripts(a *apkDB) error {
	name := a.dir + "/scripts.tar"
	content, ok, err := e.tree.read(name)
	if err != nil || !ok {
		return err
	}
	out, err := filterTar(content, func(entry string) bool { return !e.droppedScript(a, entry) })
	if err != nil {
		return fmt.Errorf("rewriting %q: %w", name, err)
	}
	e.out.set(name, content, out)
	return nil
}

// apkScriptsGzip edits scripts.tar.gz, which apk-tools 3 may have instead. It
// is compressed again only when an entry goes.
func (e *edit) apkScriptsGzip(a *apkDB) error {
	name := a.dir + "/scripts.tar.gz"
	content, ok, err := e.tree.read(name)
	if err != nil || !ok {
		return err
	}
	plain, err := gunzip(content, e.tree.lim.FileSize)
	if err != nil {
		return fmt.Errorf("rewriting %q: %w", name, err)
	}
	out, err := filterTar(plain, func(entry string) bool { return !e.droppedScript(a, entry) })
	if err != nil {
		return fmt.Errorf("rewriting %q: %w", name, err)
	}
	if bytes.Equal(plain, out) {
		return nil
	}
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, err = z.Write(out)
	if err = errors.Join(err, z.Close()); err != nil {
		return fmt.Errorf("rewriting %q: %w", name, err)
	}
	e.out.set(name, content, buf.Bytes())
	return nil
}

// gunzip decompresses up to limit bytes.
func gunzip(content []byte, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(plain)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrLimit, limit)
	}
	return plain, nil
}

// apkWorld drops the entries of dropped packages, by their own names or by
// names that only they provide. Conflicts (!name) stay: they still hold.
func (e *edit) apkWorld(*apkDB) error {
	name := e.tree.canonical(apkWorld)
	content, ok, err := e.tree.read(name)
	if err != nil || !ok {
		return err
	}
	kept, dropped := map[string]bool{}, map[string]bool{}
	for k, p := range e.packages {
		if p.Manager != "apk" {
			continue
		}
		set := kept
		if e.drop[k] {
			set = dropped
		}
		set[p.Name] = true
		for _, provided := range p.Provides {
			set[provided] = true
		}
	}
	out := make([]byte, 0, len(content))
	for at := 0; at < len(content); {
		next := lineEnd(content, at)
		out = append(out, worldLine(content[at:next], func(name string) bool {
			return dropped[name] && !kept[name]
		})...)
		at = next
	}
	e.out.set(name, content, out)
	return nil
}

// worldLine returns a line without the dropped names, nothing when it held no
// others.
func worldLine(line []byte, dropped func(name string) bool) []byte {
	tokens := strings.Fields(string(line))
	var kept []string
	for _, token := range tokens {
		if token[0] == '!' || !dropped(apkName(token)) {
			kept = append(kept, token)
		}
	}
	switch {
	case len(kept) == len(tokens):
		return line
	case len(kept) == 0:
		return nil
	case bytes.HasSuffix(line, []byte("\n")):
		return []byte(strings.Join(kept, " ") + "\n")
	default:
		return []byte(strings.Join(kept, " "))
	}
}
