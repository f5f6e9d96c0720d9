// Command image writes warder as an OCI image, for linux/amd64 and linux/arm64, without
// an engine of containers: an archive of an image layout (OCI Image Format, "Image
// Layout"), as skopeo, podman and docker load read it. Of one commit, with one release
// of Go, it writes the same bytes everywhere.
//
// It belongs to the build, and to a module of its own because of what it needs.
package main

import (
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(stderr)
	output := flags.String("o", "warder-oci.tar", "archive to write")
	architectures := flags.String("arch", "amd64,arm64", "processors, with commas")
	if err := flags.Parse(args); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "warder-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	root, err := source(ctx)
	if err != nil {
		return err
	}
	var programs []program
	for arch := range strings.SplitSeq(*architectures, ",") {
		p, err := build(ctx, root, filepath.Join(folder, "warder-"+arch), arch, "-buildvcs=auto") // the commit is a part of what it says of itself
		if err != nil {
			return err
		}
		programs = append(programs, p)
	}
	text, err := settings(root)
	if err != nil {
		return err
	}
	if err := write(*output, programs, text, gzip.BestCompression); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stderr, "%s: warder %s for %s\n", *output, programs[0].version, *architectures)
	return err
}
