package apikey

import (
	"errors"
	"fmt"
	"time"
)

// A Policy bounds the life of the keys that an [Issuer] makes and changes.
type Policy struct {
	DefaultTTL time.Duration // of a [Spec] without Expires: 0 for never, or 1 min to MaxTTL
	MaxTTL     time.Duration // from now to Expires: 1 min to 36600 d; 0 for no bound. With it every key needs an end.
	MaxSecrets int           // of one key, those that retire with it: 1 to 10. Default 3.
}

const (
	defaultMaxSecrets = 3
	mostSecrets       = 10
	minTTL            = time.Minute
	maxTTL            = 36600 * 24 * time.Hour
)

// check reports everything that is wrong with p.
func (p Policy) check() error {
	var errs []error
	if p.MaxTTL != 0 && (p.MaxTTL < minTTL || p.MaxTTL > maxTTL) {
		errs = append(errs, fmt.Errorf("apikey: Policy.MaxTTL: want 0, or %s to %s", span(minTTL), span(maxTTL)))
	}
	if p.DefaultTTL != 0 && (p.DefaultTTL < minTTL || p.DefaultTTL > maxTTL || p.MaxTTL > 0 && p.DefaultTTL > p.MaxTTL) {
		errs = append(errs, fmt.Errorf("apikey: Policy.DefaultTTL: want 0, or %s to %s, and no more than MaxTTL", span(minTTL), span(maxTTL)))
	}
	if p.MaxSecrets < 1 || p.MaxSecrets > mostSecrets {
		errs = append(errs, fmt.Errorf("apikey: Policy.MaxSecrets: want 1 to %d", mostSecrets))
	}
	return errors.Join(errs...)
}

// expires returns when a key of s ends.
func (p Policy) expires(s *Spec, now time.Time) (time.Time, error) {
	expires := moment(s.Expires)
	if expires.IsZero() && !s.Never && p.DefaultTTL > 0 {
		expires = moment(now.Add(p.DefaultTTL))
	}
	return expires, p.allows(expires, now)
}

// allows refuses an end that is too far away.
func (p Policy) allows(expires, now time.Time) error {
	if p.MaxTTL > 0 && (expires.IsZero() || expires.After(now.Add(p.MaxTTL))) {
		return &SpecError{"expires", fmt.Sprintf("want a time within %s: keys of this service live no longer", span(p.MaxTTL))}
	}
	return nil
}
