package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/sign"
)

type keyPairOptions struct {
	prefix     string
	passwordFD int
}

func newGenerateKeyPair(env *environment, _ *global) *cobra.Command {
	o := keyPairOptions{passwordFD: -1}
	cmd := &cobra.Command{
		Use: "generate-key-pair", Short: "Make a key pair as cosign does",
		Long: `Make an encrypted private key PREFIX.key and a public key PREFIX.pub, in the
format of cosign generate-key-pair. Files that exist are not replaced. The
password comes from COSIGN_PASSWORD, --password-fd or a prompt.

  lathe generate-key-pair
  lathe generate-key-pair --output-key-prefix release`,
		Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return runGenerateKeyPair(env, o) },
	}
	cmd.Flags().StringVar(&o.prefix, "output-key-prefix", "cosign", "`prefix` of the two files")
	addPasswordFlag(cmd, &o.passwordFD)
	return cmd
}

func addPasswordFlag(cmd *cobra.Command, fd *int) {
	cmd.Flags().IntVar(fd, "password-fd", -1, "read the key's password from this file descriptor")
}

func runGenerateKeyPair(env *environment, o keyPairOptions) error {
	names := []string{o.prefix + ".key", o.prefix + ".pub"}
	for _, name := range names {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return usage("%s is there already and is not replaced", name)
		}
	}
	pass, err := password(env, o.passwordFD, true)
	if err != nil {
		return err
	}
	private, public, err := sign.GenerateKeyPair(pass)
	if err != nil {
		return fmt.Errorf("making a key pair: %w", err)
	}
	for i, content := range [][]byte{private, public} {
		if err := image.WriteFile(names[i], content, []fs.FileMode{0o600, 0o644}[i]); err != nil {
			return err
		}
		env.note("wrote %s", names[i])
	}
	return nil
}

// maxPassword bounds what is read as a password.
const maxPassword = 64 << 10

// password finds the password of a key: a file descriptor, COSIGN_PASSWORD, or
// a prompt where there is a terminal.
func password(env *environment, fd int, isNew bool) ([]byte, error) {
	if fd >= 0 {
		f := os.NewFile(uintptr(fd), "password")
		if f == nil {
			return nil, usage("file descriptor %d is not open", fd)
		}
		defer f.Close() //nolint:errcheck // read only
		raw, err := io.ReadAll(io.LimitReader(f, maxPassword))
		if errors.Is(err, syscall.EBADF) {
			return nil, usage("--password-fd: file descriptor %d is not open for reading", fd)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the password from file descriptor %d: %w", fd, err)
		}
		return []byte(strings.TrimSuffix(string(raw), "\n")), nil
	}
	if pass, ok := os.LookupEnv("COSIGN_PASSWORD"); ok {
		return []byte(pass), nil
	}
	in, ok := env.stdin.(*os.File)
	if !ok || !isTerminal(in) {
		return nil, usage("the key's password is not known: set COSIGN_PASSWORD or use --password-fd")
	}
	pass, err := prompt(env, in, "Password of the key: ")
	if err != nil || !isNew {
		return pass, err
	}
	again, err := prompt(env, in, "Once more: ")
	if err == nil && string(again) != string(pass) {
		return nil, errors.New("the passwords differ")
	}
	return pass, err
}

func prompt(env *environment, in *os.File, text string) ([]byte, error) {
	fmt.Fprint(env.stderr, text) //nolint:errcheck // a prompt
	pass, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(env.stderr) //nolint:errcheck // a prompt
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	return pass, nil
}

// loadSigner reads an encrypted private key.
func loadSigner(env *environment, file string, fd int) (*sign.Signer, error) {
	pem, err := sign.ReadKeyFile(file)
	if err != nil {
		return nil, err
	}
	pass, err := password(env, fd, false)
	if err != nil {
		return nil, err
	}
	signer, err := sign.LoadSigner(pem, pass)
	if err != nil {
		return nil, fmt.Errorf("opening the key %s: %w", file, err)
	}
	return signer, nil
}
