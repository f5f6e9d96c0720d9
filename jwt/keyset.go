package jwt

import (
	"errors"
	"fmt"

	"github.com/warder-dev/warder/internal/bearer"
)

const (
	maxKeys  = 100 // of a set
	maxTries = 4   // signatures that one token without kid may cost
)

// A keySet is the keys of one issuer. It is immutable.
type keySet struct {
	all  []*key
	byID map[string][]*key
}

// newKeySet joins keys. One that is there twice counts once; of two that have one
// kid and would serve the same algorithm, neither counts: nobody can say which
// of them is meant. The error tells of those.
func newKeySet(keys []*key) (*keySet, error) {
	s := &keySet{byID: make(map[string][]*key)}
	var errs []error
	for i, k := range keys {
		switch twin := twin(keys, i); {
		case twin < 0:
			s.all = append(s.all, k)
			s.byID[k.id] = append(s.byID[k.id], k)
		case keys[twin].sum != k.sum:
			errs = append(errs, fmt.Errorf("key %d %w", i, errAmbiguous))
		}
	}
	return s, errors.Join(errs...)
}

// twin returns which other key may be taken for the i-th: one that differs, or an
// earlier one that is the same; -1 for none.
func twin(keys []*key, i int) int {
	k := keys[i]
	for j, other := range keys {
		if j == i || other.id != k.id {
			continue
		}
		if other.sum == k.sum {
			if j < i {
				return j
			}
			continue
		}
		if k.id != "" && confusable(k, other) {
			return j
		}
	}
	return -1
}

// confusable reports whether an algorithm exists for which both may be used.
func confusable(a, b *key) bool {
	for _, algorithm := range algorithms() {
		if a.usable(algorithm) && b.usable(algorithm) {
			return true
		}
	}
	return false
}

// find returns the keys that may have signed t by a: those with its kid, or, when
// one of the two has none, those that fit. known is false when t names a key that
// is not there.
func (s *keySet) find(t *token, a *algorithm) (keys []*key, known bool) {
	candidates := s.all
	if t.keyID != "" {
		if candidates = s.byID[t.keyID]; candidates == nil {
			candidates = s.byID[""]
		}
		if candidates == nil {
			return nil, false
		}
	}
	for _, k := range candidates {
		if k.usable(a) {
			keys = append(keys, k)
		}
	}
	if len(keys) > maxTries {
		return nil, true
	}
	return keys, true
}

var (
	errNoSet  = errors.New("is no JWK Set")
	errNoKey  = errors.New("has no usable key")
	errManyKs = fmt.Errorf("has more than %d keys", maxKeys)
)

// parseKeySet reads a JWK Set (RFC 7517, section 5). It returns the keys that can
// be used, none at all with an error, and what is wrong with those that should be usable
// and are not: keys for other purposes and of unknown types are ignored.
func parseKeySet(text []byte, secret bool) (set *keySet, unusable, err error) {
	object, err := bearer.Object(text)
	if err != nil {
		return nil, nil, errNoSet
	}
	list, ok := object["keys"].([]any)
	switch {
	case !ok:
		return nil, nil, errNoSet
	case len(list) > maxKeys:
		return nil, nil, errManyKs
	}
	var keys []*key
	var errs []error
	for i, element := range list {
		members, ok := element.(map[string]any)
		if !ok {
			return nil, nil, errNoSet
		}
		k, err := parseKey(members, secret)
		switch {
		case err == nil:
			keys = append(keys, k)
		case !errors.Is(err, errOther):
			errs = append(errs, fmt.Errorf("key %d %w", i, err))
		}
	}
	set, err = newKeySet(keys)
	unusable = errors.Join(append(errs, err)...)
	if len(set.all) == 0 {
		return nil, unusable, errNoKey
	}
	return set, unusable, nil
}
