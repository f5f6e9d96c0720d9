// Command library guards a handler of a Go service with an API key: the smallest
// whole program on warder's packages. It keeps its keys in memory, makes one, and
// prints how to use it.
package main

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

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/target"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr string, out io.Writer) error {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	line, err := apikey.NewPepper(rand.Reader) // a real service keeps it in a secret store
	if err != nil {
		return err
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		return err
	}
	store := new(apikey.MemoryStore) // or sqlite.Open(...).APIKeys()
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers, Log: log})
	if err != nil {
		return err
	}
	defer verifier.Close() //nolint:errcheck // the program ends
	stack, err := newStack(verifier, log)
	if err != nil {
		return err
	}
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers, Prefix: "demo", Random: rand.Reader, Changed: verifier.Invalidate})
	if err != nil {
		return err
	}
	_, key, err := issuer.Create(ctx, apikey.By{Actor: "system", Source: "example"}, apikey.Spec{
		Environment: "test", Name: "example", Owner: "acme", Scopes: []string{"orders:read"},
	})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "curl -i -H 'X-API-Key: %s' http://%s/orders\n", key.Reveal(), listener.Addr())
	if err != nil {
		return err
	}
	return serve(ctx, listener, stack.Wrap(http.HandlerFunc(orders)), log)
}

// newStack is the whole guard: the edge that every request meets, and the policy
// that wants a key with the scope orders:read.
func newStack(verifier *apikey.Verifier, log *slog.Logger) (*warder.Stack, error) {
	ids, err1 := requestid.New(requestid.Config{})
	access, err2 := accesslog.New(accesslog.Config{Logger: log})
	targets, err3 := target.New(target.Config{})
	limit, err4 := bodylimit.New(bodylimit.Config{Max: 1 << 20})
	header, err5 := apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier})
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	guard, err := authn.New(authn.Config{Requirement: authn.Require(header, "orders:read")})
	if err != nil {
		return nil, err
	}
	return &warder.Stack{
		Edge:   warder.Edge{RequestID: ids, AccessLog: access, Recover: httpserver.NewRecover(log), Forwarded: forwarded.Direct(), Target: targets},
		Policy: &warder.Policy{BodyLimit: limit, Authn: guard},
	}, nil
}

// orders is the service's own handler: it reads who asks from the exchange.
func orders(w http.ResponseWriter, r *http.Request) {
	x := exchange.From(r.Context())
	_, _ = fmt.Fprintf(w, "orders of %s\n", x.Principal.Owner)
}

// serve runs until ctx ends, and then lets running requests finish.
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
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) { //nolint:contextcheck // requests have contexts of the server
		return err
	}
	return nil
}
