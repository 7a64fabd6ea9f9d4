package sandbox

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

// userFileLimit bounds what is read of an image's passwd and group.
const userFileLimit = 4 << 20

// user is who runs the container's first process.
type user struct {
	uid, gid uint32
	groups   []uint32
	home     string
}

// findUser reads the User of an image's config: NAME|UID[:GROUP|GID], "" is
// root. Names are looked up in the image's own files, as docker does.
func findUser(root fs.FS, spec string) (user, error) {
	name, group, hasGroup := strings.Cut(spec, ":")
	if name == "" {
		name = "0"
	}
	u := user{home: "/"}
	id, isNumber := number(name)
	login := ""
	err := eachLine(root, "etc/passwd", 7, func(f []string) bool {
		uid, ok := number(f[2])
		if !ok || f[0] != name && (!isNumber || uid != id) {
			return true
		}
		gid, ok := number(f[3])
		if !ok {
			return true
		}
		login, u.uid, u.gid, u.home = f[0], uid, gid, f[5]
		return false
	})
	if err != nil {
		return user{}, err
	}
	switch {
	case login == "" && !isNumber:
		return user{}, fmt.Errorf("the image has no user %q", name)
	case login == "":
		u.uid = id
	}
	if u.home == "" {
		u.home = "/"
	}
	if hasGroup {
		u.gid, err = findGroup(root, group)
		return u, err
	}
	if login == "" {
		return u, nil
	}
	err = eachLine(root, "etc/group", 4, func(f []string) bool {
		gid, ok := number(f[2])
		for member := range strings.SplitSeq(f[3], ",") {
			if ok && member == login && gid != u.gid {
				u.groups = append(u.groups, gid)
			}
		}
		return true
	})
	return u, err
}

func findGroup(root fs.FS, group string) (uint32, error) {
	if id, ok := number(group); ok {
		return id, nil
	}
	var id uint32
	found := false
	err := eachLine(root, "etc/group", 3, func(f []string) bool {
		gid, ok := number(f[2])
		if ok && f[0] == group {
			id, found = gid, true
		}
		return !found
	})
	if err == nil && !found {
		err = fmt.Errorf("the image has no group %q", group)
	}
	return id, err
}

func number(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n < 1<<31
}

// eachLine calls f with the fields of each line that has enough of them, until
// it returns false. A file that is not there has no lines.
func eachLine(root fs.FS, name string, fields int, f func([]string) bool) error {
	file, err := root.Open(name)
	if err != nil {
		return nil // images without users are ordinary
	}
	defer file.Close() //nolint:errcheck // read only
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s of the image is not a file", name)
	}
	lines := bufio.NewScanner(io.LimitReader(file, userFileLimit))
	lines.Buffer(nil, userFileLimit)
	for lines.Scan() {
		if parts := strings.Split(lines.Text(), ":"); len(parts) >= fields && !f(parts) {
			break
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading %s of the image: %w", name, err)
	}
	return nil
}
