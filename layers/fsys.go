package layers

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"time"
)

// FS is the merged root filesystem. Open and Stat follow links inside the root;
// files of it are io.ReaderAt.
func (t *Tree) FS() fs.FS { return rootFS{t} }

type rootFS struct{ t *Tree }

var (
	_ fs.ReadDirFS  = rootFS{}
	_ fs.StatFS     = rootFS{}
	_ fs.ReadLinkFS = rootFS{}
)

func (r rootFS) lookup(op, name string, follow bool) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n, _, err := r.t.b.walk(r.t.b.root, name, follow, nil)
	if errors.Is(err, errNotFound) || errors.Is(err, errNotDir) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return n, nil
}

func (r rootFS) info(n *node, name string) fileInfo {
	return fileInfo{r.t.entryOf(n), path.Base(name)}
}

// Open opens what name leads to.
func (r rootFS) Open(name string) (fs.File, error) {
	n, err := r.lookup("open", name, true)
	if err != nil {
		return nil, err
	}
	info := r.info(n, name)
	if n.dir() {
		return &openDir{info: info, list: r.list(n)}, nil
	}
	if info.e.Type != Regular {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	content, err := r.t.Content(int(n.content))
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{SectionReader: content, info: info}, nil
}

// Stat describes what name leads to.
func (r rootFS) Stat(name string) (fs.FileInfo, error) {
	n, err := r.lookup("stat", name, true)
	if err != nil {
		return nil, err
	}
	return r.info(n, name), nil
}

// Lstat describes name itself, which may be a link.
func (r rootFS) Lstat(name string) (fs.FileInfo, error) {
	n, err := r.lookup("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return r.info(n, name), nil
}

// ReadLink gives the target of a link as it is written.
func (r rootFS) ReadLink(name string) (string, error) {
	n, err := r.lookup("readlink", name, false)
	if err != nil {
		return "", err
	}
	link, ok := r.t.b.linkOf(n)
	if !ok {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return link, nil
}

// ReadDir lists a directory, sorted.
func (r rootFS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := r.lookup("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if !n.dir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errNotDir}
	}
	return r.list(n), nil
}

func (r rootFS) list(n *node) []fs.DirEntry {
	list := make([]fs.DirEntry, 0, len(n.dirs.children))
	for _, name := range n.sorted() {
		list = append(list, fs.FileInfoToDirEntry(r.info(n.dirs.children[name], name)))
	}
	return list
}

type fileInfo struct {
	e    Entry
	name string
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.e.Size }
func (i fileInfo) ModTime() time.Time { return i.e.ModTime }
func (i fileInfo) IsDir() bool        { return i.e.Type == Dir }
func (i fileInfo) Sys() any           { return i.e }
func (i fileInfo) Mode() fs.FileMode {
	switch i.e.Type {
	case Dir:
		return i.e.Mode | fs.ModeDir
	case Symlink:
		return i.e.Mode | fs.ModeSymlink
	case CharDevice:
		return i.e.Mode | fs.ModeDevice | fs.ModeCharDevice
	case BlockDevice:
		return i.e.Mode | fs.ModeDevice
	case FIFO:
		return i.e.Mode | fs.ModeNamedPipe
	default:
		return i.e.Mode
	}
}

type openFile struct {
	*io.SectionReader
	info fileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	info fileInfo
	list []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: errors.New("is a directory")}
}

// ReadDir gives the next n entries, or all of them.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		list := d.list
		d.list = nil
		return list, nil
	}
	if len(d.list) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.list))
	list := d.list[:n]
	d.list = d.list[n:]
	return list, nil
}
