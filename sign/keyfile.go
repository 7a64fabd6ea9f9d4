package sign

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// othersMask are the permission bits of group and others.
const othersMask = 0o077

// ErrKeyExposed means that others than its owner may open a private key file.
var ErrKeyExposed = errors.New("the private key file is open to others")

// CheckKeyFile reports whether path is usable as a private key file: it
// exists, is a regular file (after links), is not larger than [MaxKeyFile] and
// is open to its owner only; the error is [ErrKeyExposed] otherwise. It is
// meant to be called before any work is done.
func CheckKeyFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("private key: %w", err)
	}
	return checkKeyInfo(path, info)
}

// ReadKeyFile reads a private key file under the conditions of [CheckKeyFile].
func ReadKeyFile(path string) (keyPEM []byte, err error) {
	if err := CheckKeyFile(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat() // the file may be another one by now
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	if err := checkKeyInfo(path, info); err != nil {
		return nil, err
	}
	keyPEM, err = io.ReadAll(io.LimitReader(f, MaxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return keyPEM, nil
}

func checkKeyInfo(path string, info os.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("private key %q: not a regular file", path)
	case info.Mode().Perm()&othersMask != 0:
		return fmt.Errorf("%w (mode %04o); run `chmod 600 %s`", ErrKeyExposed, info.Mode().Perm(), path)
	case info.Size() > MaxKeyFile:
		return fmt.Errorf("private key %q: larger than %d bytes", path, MaxKeyFile)
	}
	return nil
}
