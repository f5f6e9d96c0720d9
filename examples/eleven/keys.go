package main

import (
	"errors"
	"net/http"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
)

// addKeys makes API keys, in a header and in the query.
//
// A key is compared in constant time and stored as a digest under a pepper that
// the store does not have. In the query it is taken out of the request before
// anybody else sees it, and the answer is neither cached nor named as a referrer.
func (s *service) addKeys() error {
	peppers, err := apikey.ParsePeppers(s.peppers)
	if err != nil {
		return err
	}
	store := new(apikey.MemoryStore) // or that of sqlite.Open, whose keys outlive the program
	s.verifier, err = apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers, Log: s.log})
	if err != nil {
		return err
	}
	var errs [3]error
	s.issuer, errs[0] = apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers, Prefix: "eleven", Changed: s.verifier.Invalidate})
	s.header, errs[1] = apikey.NewHeader(apikey.HeaderConfig{Verifier: s.verifier}) // X-API-Key: ...
	s.query, errs[2] = apikey.NewQuery(apikey.QueryConfig{Verifier: s.verifier})    // ?api_key=...
	return errors.Join(errs[:]...)
}

// data is for whoever has a key.
func data(w http.ResponseWriter, r *http.Request) {
	answer(w, "data of %s", exchange.From(r.Context()).Principal.Owner)
}

// export is a download. Here the request has no key any more.
func export(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Disposition", `attachment; filename="export.txt"`)
	answer(w, "export of %s, query %q", exchange.From(r.Context()).Principal.Owner, r.URL.RawQuery)
}
