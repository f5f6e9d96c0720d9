package main

import (
	"errors"
	"net/http"

	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

// addCSRF refuses writes that another site may have had a browser send.
//
// It wants proof where the credential is one that browsers send by themselves, a
// cookie, and from nobody else: there is no list of paths to forget one in. The
// proof is what browsers say of the page, or a token that is bound to the session.
// A login is judged too: else another site logs people in as somebody of its own.
func (s *service) addCSRF() error {
	keys := []secret.Text{s.forms}
	strict, err1 := csrf.New(csrf.Config{Keys: keys, Login: true})
	plain, err2 := csrf.New(csrf.Config{Keys: keys})
	s.csrf, s.loginCSRF = plain, strict
	return errors.Join(err1, err2)
}

// order is a write.
func order(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusCreated)
	answer(w, "%s has ordered: %q", exchange.From(r.Context()).Principal.Subject, r.PostForm.Get("item"))
}
