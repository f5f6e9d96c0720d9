package apikey

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// A claim is the text of a key as a request carries it, with what has to fit to
// it.
type claim struct {
	text  string // of the right shape
	id    ID     // a part of text
	cert  *x509.Certificate
	dry   bool               // nothing is written
	x     *exchange.Exchange // for what the key is used, or
	use   *Use               // the same of somebody without an exchange; nil: nobody knows
	sums  []importedSum      // of an imported text; nil for one of ours
	token *Token             // in place of text; nil for a key
}

// judge compares the text with every secret of e, in a time that depends neither
// on the outcome nor on whether there is a key (e is nil for none), and looks at
// the key's state only afterwards.
func (v *Verifier) judge(c *claim, e *entry) (*digest, time.Time, error) {
	if c.token != nil {
		return v.judgeToken(c, e)
	}
	if e == nil {
		none, sum := [32]byte{}, v.cfg.Peppers.current().digest(c.text)
		_ = subtle.ConstantTimeCompare(sum[:], none[:]) // whatever comes out, nobody has this id
		_ = presents(c.cert, &none)
		return nil, time.Now(), v.refusals.unknown
	}
	match, err := v.compare(c, e)
	now := time.Now()
	if err == nil {
		err = v.state(e, match, now)
	}
	if err == nil && e.certificate == nil {
		return match, now, nil
	}
	// Whoever is refused, and shows a certificate, waits for its digest: else the
	// time would tell which keys exist, and which are bound.
	var none [32]byte
	bound := e.certificate
	if bound == nil {
		bound = &none
	}
	if !presents(c.cert, bound) && err == nil {
		err = v.refusals.certificate
	}
	if err != nil {
		return nil, now, err
	}
	return match, now, nil
}

// state refuses a right secret of a key that is no longer good.
func (v *Verifier) state(e *entry, match *digest, now time.Time) error {
	switch {
	case e.revoked:
		return v.refusals.revoked
	case e.disabled:
		return v.refusals.disabled
	case !e.expires.IsZero() && !now.Before(e.expires):
		return v.refusals.expired
	case match.retires != 0 && now.UnixMicro() >= match.retires:
		return v.refusals.expired
	case e.honeytoken:
		return v.refusals.honeytoken
	default:
		return nil
	}
}

// presents reports whether cert is the one with the digest (compare RFC 8705,
// section 3.1, x5t#S256).
func presents(cert *x509.Certificate, digest *[sha256.Size]byte) bool {
	if cert == nil {
		return false
	}
	sum := sha256.Sum256(cert.Raw)
	return subtle.ConstantTimeCompare(sum[:], digest[:]) == 1
}

// compare returns the secret of e that text is. Secrets under the same pepper
// stand together mostly, and share a computation.
func (v *Verifier) compare(c *claim, e *entry) (*digest, error) {
	if c.sums != nil {
		return v.compareImported(c.sums, e)
	}
	var (
		match  *digest
		lacks  bool
		sum    [32]byte
		pepper *pepper
	)
	for i := range e.digests {
		d := &e.digests[i]
		if d.format != formatOurs {
			continue
		}
		if d.pepper == nil {
			lacks = true
			continue
		}
		if d.pepper != pepper {
			pepper = d.pepper
			sum = pepper.digest(c.text)
		}
		if subtle.ConstantTimeCompare(sum[:], d.sum[:]) == 1 {
			match = d
		}
	}
	switch {
	case match != nil:
		return match, nil
	case lacks:
		return nil, errPepper // it may be the right secret: nobody knows
	case pepper == nil: // it has imported secrets only, and must cost what others do
		_ = v.cfg.Peppers.current().digest(c.text)
	}
	return nil, v.refusals.wrong
}

// answer makes the principal of a match. Its strings are the record's: those of
// the request would keep the text of the key in memory.
func (v *Verifier) answer(s *slot, match *digest, c *claim, err error) (exchange.Principal, error) {
	if err != nil {
		if errors.Is(err, v.refusals.honeytoken) && !c.dry {
			v.cfg.Honeytoken(c.x, s.id)
		}
		return exchange.Principal{}, err
	}
	if match.pepper != v.cfg.Peppers.current() && !c.dry && c.token == nil {
		v.rehash.offer(s.id, match, v.cfg.Peppers.current(), c)
	}
	e := s.entry
	p := exchange.Principal{
		Issuer: issuer, Subject: string(s.id), KeyID: string(s.id),
		Owner: e.owner, Environment: e.environment, Scopes: e.scopes,
		SecretNumber: int(match.number), Retiring: match.retires != 0, Expires: e.expires,
	}
	if c.token != nil {
		c.token.narrowTo(&p, s)
	}
	if e.more == nil {
		return p, nil
	}
	p.Plan, p.Quotas = e.more.plan, e.more.quotas
	if e.more.narrow == nil {
		return p, nil
	}
	return v.permit(e.more.narrow, c, p)
}
