package warder_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/target"
)

// newStack is the guard of the package's documentation.
func newStack(store apikey.Store, peppers *apikey.Peppers, log *slog.Logger) (*warder.Stack, error) {
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers, Log: log})
	if err != nil {
		return nil, err
	}
	header, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier})
	if err != nil {
		return nil, err
	}
	keys, err1 := authn.New(authn.Config{Requirement: authn.Require(header)})
	paths, err2 := target.New(target.Config{})
	body, err3 := bodylimit.New(bodylimit.Config{Max: 1 << 20})

	routes := new(warder.Routes)
	err4 := routes.Handle("GET /healthz", &warder.Policy{})
	err5 := routes.Handle("/", &warder.Policy{BodyLimit: body, Authn: keys})
	return &warder.Stack{
		Edge:  warder.Edge{Recover: httpserver.NewRecover(log), Forwarded: forwarded.Direct(), Target: paths},
		Route: routes,
	}, errors.Join(err1, err2, err3, err4, err5)
}

func Example() {
	ctx, log, store := context.Background(), slog.New(slog.DiscardHandler), new(apikey.MemoryStore)
	line, err1 := apikey.NewPepper(rand.Reader)
	peppers, err2 := apikey.ParsePeppers(line)
	stack, err3 := newStack(store, peppers, log)
	issuer, err4 := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers, Prefix: "wrd", Random: rand.Reader})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		fmt.Println(err)
		return
	}
	by := apikey.By{Actor: "ops", Source: "example"}
	_, key, err := issuer.Create(ctx, by, apikey.Spec{Environment: "test", Name: "first", Owner: "acme"})
	if err != nil {
		fmt.Println(err)
		return
	}

	api := stack.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, "hello ", exchange.From(r.Context()).Principal.Owner)
	}))
	for _, credential := range []string{key.Reveal(), ""} {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/orders", nil)
		if credential != "" {
			r.Header.Set("X-API-Key", credential)
		}
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("Content-Type"))
	}
	// Output:
	// 200 text/plain; charset=utf-8
	// 401 application/problem+json
}
