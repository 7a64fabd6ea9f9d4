// Command debimage builds the image of an example's recipe and writes it as an
// OCI layout:
//
//	go run ./internal/debimage/cmd/debimage -o .build/nginx examples/nginx
//
// What was built stays in the cache, so that the next run takes a second. The
// Alpine archive is looked for in ../shared/images beside the checkout unless
// -alpine names one; without one the image is made of a stand-in, which is
// said.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/lathe-build/lathe/internal/debimage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "debimage:", err)
		os.Exit(1) //nolint:forbidigo // the main function of a program
	}
}

func run(ctx context.Context) error {
	output := flag.String("o", "", "directory of the OCI layout to write")
	cache := flag.String("cache", ".build/cache", "directory for what can be used again")
	alpine := flag.String("alpine", "", "Alpine minirootfs archive (.tar.gz)")
	flag.Parse()
	if *output == "" || flag.NArg() != 1 {
		return fmt.Errorf("usage: debimage -o LAYOUT [-cache DIR] [-alpine ARCHIVE] EXAMPLE")
	}
	note := func(text string) { fmt.Fprintln(os.Stderr, "debimage:", text) }
	recipe, err := debimage.ReadRecipe(os.DirFS(flag.Arg(0)))
	if err != nil {
		return err
	}
	if recipe.Base == debimage.BaseAlpine && *alpine == "" {
		if *alpine = debimage.FindAlpine("."); *alpine == "" {
			note("no Alpine archive: a stand-in of busybox takes its place")
		}
	}
	builder := debimage.Builder{Cache: *cache, AlpineRoot: *alpine, Note: note}
	img, err := builder.Build(ctx, flag.Arg(0), recipe)
	if err != nil {
		return err
	}
	if err := debimage.WriteLayout(img, *output); err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return fmt.Errorf("hashing the image: %w", err)
	}
	_, err = fmt.Fprintf(os.Stdout, "oci:%s:%s\t%s\n", *output, debimage.Tag, digest)
	return err
}
