package main

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/tlsconfig"
)

// addTLS serves https with a certificate that is read again when its file
// changes, and sends plain HTTP there. A credential that came over plain HTTP is
// refused instead: a redirect would make the client send it in the clear each
// time, and nobody notice.
func (s *service) addTLS() (err error) {
	s.certificates, err = tlsconfig.New(tlsconfig.Config{Certificates: []tlsconfig.Files{s.certificate}, Log: s.log})
	if err != nil {
		return err
	}
	s.https, err = httpserver.NewHTTPS(httpserver.HTTPSConfig{
		Known: s.hosts.Lists, Carries: s.carries, Port: s.port,
		HSTS: httpserver.HSTS{MaxAge: time.Hour}, // a year once https is there to stay
	})
	return err
}

// carries reports whether x carries a credential, right or wrong, and whose it
// claims to be.
func (s *service) carries(x *exchange.Exchange) (id string, carries bool) {
	for _, scheme := range []authn.Scheme{s.header, s.query, s.sessions.Scheme(), s.bearer} {
		if _, err := scheme.Authenticate(x); !errors.Is(err, authn.ErrNoCredential) {
			return x.Claim, true
		}
	}
	return "", false
}

// serve serves both listeners until ctx ends, and then lets requests end.
func (s *service) serve(ctx context.Context, secure, plain net.Listener) error {
	https, err1 := httpserver.New(httpserver.Config{Handler: s.api.Handler(), TLS: s.certificates.TLS(), Log: s.log})
	http, err2 := httpserver.New(httpserver.Config{Handler: s.api.Handler(), Log: s.log})
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return https.Serve(secure) }) //nolint:contextcheck // requests have contexts of the server
	both.Go(func() error { return http.Serve(plain) })   //nolint:contextcheck // requests have contexts of the server
	both.Go(func() error {
		<-ctx.Done()
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return errors.Join(https.Shutdown(bound), http.Shutdown(bound))
	})
	return both.Wait()
}
