// Command server is the program of the Alpine example: it answers with a line,
// on /file with the size of a file of the image, and elsewhere with what Go's
// standard library reads of a system: certificates, users, names, zones.
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"os/user"
	"path"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := serve(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1) //nolint:forbidigo // the main function of a program
	}
}

// questions are what is answered about the system, by pattern, with the name
// of the query.
func questions() map[string]func(context.Context, string) (any, error) {
	return map[string]func(context.Context, string) (any, error){
		"GET /roots": roots,
		"GET /write": write,
		"GET /user":  func(_ context.Context, name string) (any, error) { return user.Lookup(name) },
		"GET /zone":  func(_ context.Context, name string) (any, error) { return time.LoadLocation(name) },
		"GET /resolve": func(ctx context.Context, name string) (any, error) {
			return net.DefaultResolver.LookupHost(ctx, name)
		},
		"GET /port": func(ctx context.Context, name string) (any, error) {
			return net.DefaultResolver.LookupPort(ctx, "tcp", name)
		},
	}
}

// roots tells whether the system has certificates of authorities.
func roots(context.Context, string) (any, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	return fmt.Sprintf("roots: %t", !pool.Equal(x509.NewCertPool())), nil
}

// write writes a file where programs write, and removes it.
func write(context.Context, string) (any, error) {
	f, err := os.CreateTemp("", "server")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return nil, err
	}
	return path.Dir(f.Name()), nil
}

func serve(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "It serves.")
	})
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) {
		name := path.Join("/etc", path.Base(r.URL.Query().Get("name")))
		info, err := os.Stat(name)
		if err != nil {
			http.Error(w, "no such file", http.StatusNotFound)
			return
		}
		_, _ = fmt.Fprintln(w, name, info.Size())
	})
	for pattern, ask := range questions() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			answer, err := ask(r.Context(), r.URL.Query().Get("name"))
			if err != nil {
				http.Error(w, err.Error(), http.StatusNotFound)
				return
			}
			_, _ = fmt.Fprintln(w, answer)
		})
	}
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("shutting down: %w", err)
	}
	return nil
}
