package leak

import (
	"context"
	"errors"
	"slices"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

// A Verifier tells whom the text of a key proves; see apikey.Verifier.
type Verifier interface {
	Verify(ctx context.Context, text string) (exchange.Principal, error)
}

// A Verdict is what is known of a text that was found. Beside those here it can
// be any word by which a verifier refuses the text of a key that is one of ours.
type Verdict string

// The verdicts that somebody branches on.
const (
	Active     Verdict = "active"      // whoever has the text can use it
	Bound      Verdict = "certificate" // so, but only beside the certificate that the key is bound to
	Disabled   Verdict = "disabled"    // not before somebody enables the key again
	Revoked    Verdict = "revoked"     // never again
	Expired    Verdict = "expired"     // never again: the key, or this secret of it after a roll
	Honeytoken Verdict = "honeytoken"  // it was laid out to be found
	Public     Verdict = "public"      // it is for pages, where anybody can read it
	Unknown    Verdict = "unknown"     // no key of ours, or the right id with a wrong secret
)

// Ours reports whether the text is, or was, that of a key of ours.
func (v Verdict) Ours() bool { return v != Unknown && v != "" }

// Harmful reports whether taking the key away protects anybody: it is ours, the
// text is good or may become good again, and it was a secret. Whoever publishes a
// public key once more must not be able to take it away.
func (v Verdict) Harmful() bool {
	return v.Ours() && !slices.Contains([]Verdict{Revoked, Expired, Honeytoken, Public}, v)
}

// Judge proves a text that was found. That an id is known says nothing, since ids
// are public: the secret is compared. The error is non-nil when the store gave no
// answer: then nothing is known.
func Judge(ctx context.Context, v Verifier, text secret.Text) (Verdict, error) {
	_, err := v.Verify(ctx, text.Reveal())
	refusal, refused := errors.AsType[*authn.Refusal](err)
	denial, denied := errors.AsType[*authn.Denial](err)
	switch {
	case denied && denial.Rule == apikey.RulePublic:
		return Public, nil
	case err == nil, denied: // one that is narrowed is good for what it is narrowed to
		return Active, nil
	case !refused:
		return "", err
	}
	switch reason := refusal.Reason(); reason {
	case "malformed", "unknown", "wrong-secret":
		return Unknown, nil
	default:
		return Verdict(reason), nil
	}
}
