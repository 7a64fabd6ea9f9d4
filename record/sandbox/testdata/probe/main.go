// Command probe is what the tests run in a container: a server that tells what
// it sees, or a program that ends as it is told.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	switch {
	case len(os.Args) > 2 && os.Args[1] == "exit":
		code, err := strconv.Atoi(os.Args[2])
		if err != nil {
			code = 99
		}
		os.Exit(code)
	case len(os.Args) > 2 && os.Args[1] == "read":
		text, err := os.ReadFile(os.Args[2])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Print(string(text))
	case len(os.Args) > 1 && os.Args[1] == "stubborn":
		signal.Ignore(syscall.SIGTERM, syscall.SIGQUIT)
		serve(context.Background())
	default:
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGQUIT)
		defer stop()
		serve(ctx)
		fmt.Println("stopped as asked")
	}
}

func serve(ctx context.Context) {
	fmt.Println("starting", strings.Join(os.Args[1:], " "))
	mux := http.NewServeMux()
	mux.HandleFunc("/read", answer(func(name string) (string, error) {
		text, err := os.ReadFile(name)
		return string(text), err
	}))
	mux.HandleFunc("/link", answer(os.Readlink))
	mux.HandleFunc("/write", answer(func(name string) (string, error) { return "", os.WriteFile(name, []byte("written"), 0o644) }))
	mux.HandleFunc("/env", answer(func(name string) (string, error) { return os.Getenv(name), nil }))
	mux.HandleFunc("/id", answer(func(string) (string, error) { return fmt.Sprint(os.Getuid(), os.Getgid()), nil }))
	mux.HandleFunc("/owner", answer(func(name string) (string, error) {
		info, err := os.Stat(name)
		if err != nil {
			return "", err
		}
		sys, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return "", errors.New("no owner")
		}
		return fmt.Sprint(sys.Uid, " ", info.Mode()), nil
	}))
	mux.HandleFunc("/dial", answer(func(address string) (string, error) {
		conn, err := net.DialTimeout("tcp", address, 10*time.Second)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		buffer := make([]byte, 100)
		n, _ := conn.Read(buffer)
		return string(buffer[:n]), nil
	}))
	mux.HandleFunc("/run", answer(func(name string) (string, error) { return "", exec.Command(name, "exit", "0").Run() }))
	mux.HandleFunc("/dig", answer(dig))
	mux.HandleFunc("/unshare", answer(func(string) (string, error) { return "", syscall.Unshare(syscall.CLONE_NEWNS) }))
	server := http.Server{Addr: os.Getenv("LISTEN_ADDR") + ":8080", Handler: mux}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Println(err)
		os.Exit(1)
	}
}

// dig makes directories below directories, too deep for any name.
func dig(at string) (string, error) {
	const levels = 2100
	dir, err := os.OpenRoot(at)
	for i := 0; err == nil && i < levels; i++ {
		if err = dir.Mkdir("d", 0o700); err != nil {
			break
		}
		var next *os.Root
		if next, err = dir.OpenRoot("d"); err == nil {
			_ = dir.Close()
			dir = next
		}
	}
	return fmt.Sprint(levels, " deep"), err
}

func answer(f func(string) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, err := f(r.URL.Query().Get("of"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		fmt.Fprint(w, text)
	}
}
