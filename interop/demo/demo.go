// Package demo is what the example programs of all routers share: a key in
// memory, a line that says how to use it, and a server.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/httpserver"
)

// Main serves what newHandler makes of a scheme of keys, until it is
// interrupted. It prints a line for curl with a key that may read orders.
func Main(newHandler func(key authn.Scheme) (http.Handler, error)) {
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Stdout, newHandler); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

func run(ctx context.Context, addr string, out io.Writer, newHandler func(key authn.Scheme) (http.Handler, error)) error {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	line, err := apikey.NewPepper(rand.Reader)
	if err != nil {
		return err
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		return err
	}
	store := new(apikey.MemoryStore)
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers, Log: log})
	if err != nil {
		return err
	}
	defer verifier.Close() //nolint:errcheck // the program ends
	scheme, err1 := apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier})
	issuer, err2 := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers, Prefix: "demo", Random: rand.Reader, Changed: verifier.Invalidate})
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	handler, err := newHandler(scheme)
	if err != nil {
		return err
	}
	spec := apikey.Spec{Environment: "test", Name: "demo", Owner: "acme", Scopes: []string{"orders:read"}}
	_, key, err := issuer.Create(ctx, apikey.By{Actor: "system", Source: "demo"}, spec)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "curl -i -H 'X-API-Key: %s' http://%s/orders/1\n", key.Reveal(), listener.Addr()); err != nil {
		return err
	}
	return serve(ctx, listener, handler, log)
}

func serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server, err := httpserver.New(httpserver.Config{Handler: h, Log: log})
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(bound) // the program ends
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
