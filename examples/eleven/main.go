// Command eleven is one service with the eleven answers to "how do I secure my
// API", each in a file of its own:
//
//	keys.go      1  an API key in a header
//	keys.go      2  an API key in the query, for links
//	sessions.go  3  a cookie with a session: login, profile, logout
//	tokens.go    4  several schemes for one operation: a key or a JWT
//	tls.go       5  HTTPS
//	cors.go      6  CORS
//	csrf.go      7  CSRF
//	limits.go    8  rate limits, by address and by principal
//	logs.go      9  no secret in a log
//	hosts.go    10  trusted hosts
//	search.go   11  no SQL injection
//
// service.go joins them. demo.go makes what a real service is given: a
// certificate, a key, a user, a token. Start the program and paste what it prints:
//
//	go run ./examples/eleven
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
)

func main() {
	secure := flag.String("addr", "localhost:8443", "address for https")
	plain := flag.String("plain", "localhost:8080", "address for plain http, which leads to https")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *secure, *plain, os.Stdout, slog.New(slog.NewJSONHandler(os.Stderr, nil))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

func run(ctx context.Context, secureAddr, plainAddr string, out io.Writer, log *slog.Logger) (err error) {
	secure, err1 := new(net.ListenConfig).Listen(ctx, "tcp", secureAddr)
	plain, err2 := new(net.ListenConfig).Listen(ctx, "tcp", plainAddr)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	d, err := newDemo(ctx, secure.Addr(), plain.Addr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	s, err := newService(d.settings, log)
	if err != nil {
		return err
	}
	defer s.close()
	if err := d.print(ctx, out, s.issuer); err != nil {
		return err
	}
	return s.serve(ctx, secure, plain)
}
