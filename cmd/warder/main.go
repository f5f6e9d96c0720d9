// Command warder puts API keys in front of any HTTP API: a gateway, and the
// command line that makes, lists and revokes its keys.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // conditions name zones, and an image or a small machine has none; the system's come first
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	go func() { // the first signal asks, the second one is obeyed at once
		<-ctx.Done()
		stop()
	}()
	code := run(ctx, process{
		args: os.Args[1:], environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
	})
	stop()
	os.Exit(code)
}
