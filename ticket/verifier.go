package ticket

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/secret"
)

// VerifierConfig configures a [Verifier].
type VerifierConfig struct {
	_ [0]func()

	// Keys are those that may have made a ticket, 1 to 16, each of 32 bytes or more. To
	// replace warder's key: first add the new one here, then give it to warder, and take
	// the old one out when warder's last ticket has ended. Required.
	Keys []secret.Text

	// Carriers are the fields in which requests carry credentials, exactly as warder has
	// them, where the proxy passes credentials on: a ticket is then refused with another
	// credential. nil where the proxy takes them out.
	Carriers []string

	// Leeway is how far this machine's clock may be ahead of warder's, 0 to 1 minute. It
	// adds to the time in which a revoked key may still pass. Default 0.
	Leeway time.Duration
}

const maxLeeway = time.Minute

// Why a ticket is refused; a request without one is [ErrAbsent].
var (
	ErrAbsent    = errors.New("ticket: the request has none")
	ErrMalformed = errors.New("ticket: it is no ticket")
	ErrKey       = errors.New("ticket: it is made by another key")
	ErrExpired   = errors.New("ticket: it has ended")
	ErrMismatch  = errors.New("ticket: it is for another request")
)

// errUnjudged says that nobody knows what the ticket would have to be for.
var errUnjudged = errors.New("ticket: the exchange lacks its client, host or path: put forwarded and target before the ticket")

// A Verifier verifies tickets, and is a stage that wants one. It is safe for
// concurrent use.
type Verifier struct {
	keys     []*key
	carriers []string
	leeway   time.Duration
	refusals map[error]exchange.Verdict
}

// NewVerifier reports everything that is wrong with cfg at once.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	v := &Verifier{leeway: cfg.Leeway, refusals: refusals()}
	var errs []error
	if n := len(cfg.Keys); n == 0 || n > maxKeys {
		errs = append(errs, fmt.Errorf("ticket: %d Keys: want 1 to %d", n, maxKeys))
	}
	for i, text := range cfg.Keys {
		k, err := newKey(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("ticket: Keys[%d]: %w", i, err))
			continue
		}
		v.keys = append(v.keys, k)
	}
	if cfg.Leeway < 0 || cfg.Leeway > maxLeeway {
		errs = append(errs, fmt.Errorf("ticket: Leeway %s: want 0s to %s", cfg.Leeway, maxLeeway))
	}
	var err error
	v.carriers, err = carriers(cfg.Carriers)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	return v, nil
}

// refusals are the answers: the same for each reason, which the log alone has.
func refusals() map[error]exchange.Verdict {
	p := problem.New(problem.Forbidden, "This service takes requests that came through its proxy.")
	all := make(map[error]exchange.Verdict)
	for word, err := range map[string]error{"absent": ErrAbsent, "malformed": ErrMalformed, "other-key": ErrKey, "expired": ErrExpired, "other-request": ErrMismatch} {
		all[err] = exchange.Refuse(p, "ticket:"+word)
	}
	return all
}

// Check passes requests with a ticket that is for them, and gives the others 403.
// Without what forwarded and target find out it fails with 503.
func (v *Verifier) Check(x *exchange.Exchange) exchange.Verdict {
	_, err := v.Verify(x)
	if err == nil {
		return exchange.Pass()
	}
	if refusal, ok := v.refusals[err]; ok {
		return refusal
	}
	return exchange.Fail(err)
}

// Wrap is Check as net/http middleware. It wants forwarded and target before it.
func (v *Verifier) Wrap(next http.Handler) http.Handler { return exchange.Wrap(v, next) }

// Verify returns the ticket of x when it is for x and has not ended. The error is
// [ErrAbsent], [ErrMalformed], [ErrKey], [ErrExpired], [ErrMismatch], or, when
// forwarded or target did not run, another one.
//
// Afterwards the identity fields of the request ([IdentityFields]) are warder's own.
func (v *Verifier) Verify(x *exchange.Exchange) (Ticket, error) {
	if !x.Client.IsValid() || x.Host == "" || x.Path == "" {
		return Ticket{}, errUnjudged
	}
	h := x.Request.Header
	texts := h[Field]
	switch {
	case len(texts) == 0 || len(texts) == 1 && texts[0] == "":
		return Ticket{}, ErrAbsent
	case len(texts) > 1 || len(texts[0]) > maxLength:
		return Ticket{}, ErrMalformed
	}
	for _, name := range IdentityFields() {
		if len(h[name]) > 1 {
			return Ticket{}, ErrMismatch // the service may read another one than is verified
		}
	}
	return v.verify(texts[0], x)
}

func (v *Verifier) verify(text string, x *exchange.Exchange) (Ticket, error) {
	t, credential, ok := parse(text)
	if !ok {
		return Ticket{}, ErrMalformed
	}
	at := strings.LastIndexByte(text, '.')
	for _, k := range v.keys {
		if k.name != t.Key {
			continue
		}
		m := k.get()
		sum := m.request([]byte(text[:at]), x, x.Request.Header)
		carried := m.credential(x.Request.Header, v.carriers)
		k.macs.Put(m)
		switch {
		case subtle.ConstantTimeCompare(sum[:], []byte(text[at+1:])) != 1:
			return Ticket{}, ErrMismatch
		case len(v.carriers) > 0 && subtle.ConstantTimeCompare(carried[:], []byte(credential)) != 1:
			return Ticket{}, ErrMismatch
		case !time.Now().Before(t.Expires.Add(v.leeway)):
			return Ticket{}, ErrExpired
		}
		return t, nil
	}
	return Ticket{}, ErrKey
}

// parse reads the form of a ticket, in the one spelling that Sign has.
func parse(text string) (t Ticket, credential string, ok bool) {
	all := strings.Split(text, ".")
	if len(all) != parts || all[0] != version || len(all[1]) != nameLength || len(all[4]) != credentialLength || len(all[5]) != macLength {
		return t, "", false
	}
	expires, err := strconv.ParseInt(all[2], 10, 64)
	if err != nil || strconv.FormatInt(expires, 10) != all[2] || expires < 0 {
		return t, "", false
	}
	revision, err := strconv.ParseUint(all[3], 10, 64)
	if err != nil || strconv.FormatUint(revision, 10) != all[3] {
		return t, "", false
	}
	return Ticket{Expires: time.UnixMilli(expires), Revision: revision, Key: all[1]}, all[4], true
}
