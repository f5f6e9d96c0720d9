package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

func Example() {
	ctx := context.Background()
	line, err := apikey.NewPepper(nil) // once, into a file that only this program reads
	if err != nil {
		panic(err)
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		panic(err)
	}
	store := new(apikey.MemoryStore)
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers})
	if err != nil {
		panic(err)
	}
	defer func() { _ = verifier.Close() }()
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers, Changed: verifier.Invalidate})
	if err != nil {
		panic(err)
	}

	by := apikey.By{Actor: "user:ada", Source: "cli"}
	record, text, err := issuer.Create(ctx, by, apikey.Spec{Environment: "live", Owner: "customer-7", Scopes: []string{"orders:*"}})
	if err != nil {
		panic(err)
	}
	fmt.Println("shown once, printed never:", text)

	who, err := verifier.Verify(ctx, text.Reveal())
	fmt.Println(who.Owner, who.Scopes.Allow("orders:read"), err)

	if _, err := issuer.Revoke(ctx, by, record.ID, "leaked"); err != nil {
		panic(err)
	}
	_, err = verifier.Verify(ctx, text.Reveal())
	var refusal *authn.Refusal
	fmt.Println(errors.As(err, &refusal) && refusal.Reason() == "revoked")
	// Output:
	// shown once, printed never: [secret]
	// customer-7 true <nil>
	// true
}

func ExampleHeader() {
	verifier, key := exampleKey()
	defer func() { _ = verifier.Close() }()
	scheme, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier})
	if err != nil {
		panic(err)
	}
	stage, err := authn.New(authn.Config{Requirement: authn.Require(scheme, "orders:read")})
	if err != nil {
		panic(err)
	}
	handler := exchange.Wrap(stage, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "hello %s", exchange.From(r.Context()).Principal.Owner)
	}))

	for _, value := range []string{key, "guess", ""} {
		r := httptest.NewRequest(http.MethodGet, "/orders", nil)
		if value != "" {
			r.Header.Set("X-API-Key", value)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code == http.StatusOK {
			fmt.Println(w.Code, w.Body)
			continue
		}
		fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 200 hello customer-7
	// 401 ApiKey realm="warder", in="header", name="X-API-Key"
	// 401 ApiKey realm="warder", in="header", name="X-API-Key"
}

// exampleKey returns a verifier and a key for it.
func exampleKey() (*apikey.Verifier, string) {
	line, err := apikey.NewPepper(nil)
	if err != nil {
		panic(err)
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		panic(err)
	}
	store := new(apikey.MemoryStore)
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers})
	if err != nil {
		panic(err)
	}
	by := apikey.By{Actor: "system", Source: "example"}
	_, text, err := issuer.Create(context.Background(), by, apikey.Spec{Environment: "live", Owner: "customer-7", Scopes: []string{"orders:*"}})
	if err != nil {
		panic(err)
	}
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers})
	if err != nil {
		panic(err)
	}
	return verifier, text.Reveal()
}

// The scheme that guards a route also documents it.
func ExampleHeader_Describe() {
	store := new(apikey.MemoryStore)
	line, err := apikey.NewPepper(nil)
	if err != nil {
		panic(err)
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		panic(err)
	}
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers})
	if err != nil {
		panic(err)
	}
	defer verifier.Close()
	header, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier})
	if err != nil {
		panic(err)
	}
	document := openapi.Document{Info: openapi.Info{Title: "orders", Version: "1"}}
	security, err := authn.Require(header, "orders:read").Describe(&document)
	if err != nil {
		panic(err)
	}
	fmt.Println(document.Components.SecuritySchemes["apiKey"].Name, security)
	// Output: X-API-Key [map[apiKey:[orders:read]]]
}
