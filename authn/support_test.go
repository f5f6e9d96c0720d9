package authn_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/problem"
)

// What a credential of a test is.
const (
	absent     = "absent"
	good       = "good"
	bad        = "bad"
	unreadable = "unreadable"
	away       = "away"   // present, and the store gives no answer
	nobody     = "nobody" // present, and the scheme has an error in it
)

// credential is a scheme that finds what a test put there, and counts.
type credential struct {
	name      string
	challenge string // default: the name and the realm
	says      string
	scopes    exchange.Scopes
	subject   string // default: the name
	down      bool   // the store is away, for whoever asks it

	asked, looked int // the scheme, its store
}

func (c *credential) Name() string { return c.name }

func (c *credential) Challenge(realm string) string {
	if c.challenge != "" {
		return c.challenge
	}
	return c.name + ` realm="` + realm + `"`
}

var (
	errAway       = errors.New("connection refused")
	errBad        = authn.Wrong("unknown")
	errUnreadable = authn.Unreadable("repeated")
)

func (c *credential) Authenticate(*exchange.Exchange) (exchange.Principal, error) {
	c.asked++
	switch c.says {
	case absent:
		return exchange.Principal{}, authn.ErrNoCredential
	case unreadable:
		return exchange.Principal{}, errUnreadable
	}
	c.looked++
	switch {
	case c.says == away || c.down:
		return exchange.Principal{}, errAway
	case c.says == bad:
		return exchange.Principal{}, errBad
	case c.says == nobody:
		return exchange.Principal{}, nil
	}
	subject := c.subject
	if subject == "" {
		subject = c.name
	}
	p := exchange.Principal{Issuer: c.name, Subject: subject, Scheme: c.name, Scopes: c.scopes}
	if c.says == denied {
		return exchange.Principal{}, fmt.Errorf("wrapped: %w", &authn.Denial{Principal: p, Rule: "key-address", Problem: problem.New(problem.Forbidden, "Not from here.")})
	}
	return p, nil
}

func (c *credential) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(c.name, openapi.SecurityScheme{Type: openapi.TypeHTTP, Scheme: c.name})
}

// says returns one scheme for each answer, named a, b, c, and so on.
func says(answers ...string) []*credential {
	var all []*credential
	for i, answer := range answers {
		all = append(all, &credential{name: string(rune('a' + i)), says: answer})
	}
	return all
}

func newStage(tb testing.TB, r authn.Requirement) *authn.Stage {
	tb.Helper()
	s, err := authn.New(authn.Config{Requirement: r})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// A result is what came of one request.
type result struct {
	status     int
	reason     string
	scheme     string   // of the principal; "" for nobody
	challenges []string // first words
}

func judge(tb testing.TB, r authn.Requirement) result {
	tb.Helper()
	return judgeWith(newStage(tb, r))
}

func judgeWith(s *authn.Stage) result {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	v := s.Check(x)
	got := result{status: http.StatusOK, reason: v.Reason(), scheme: x.Principal.Scheme}
	if p := v.Problem(); p != nil {
		got.status = p.Type.Status()
		for _, line := range p.Header.Values("WWW-Authenticate") {
			word, _, _ := strings.Cut(line, " ")
			got.challenges = append(got.challenges, word)
		}
	}
	return got
}

func (r result) same(o result) bool {
	return r.status == o.status && r.reason == o.reason && r.scheme == o.scheme && slices.Equal(r.challenges, o.challenges)
}
