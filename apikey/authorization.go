package apikey

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/credential"
)

// maxWord is the longest name of an authentication scheme, in bytes. No key is as
// short, so that one without such a name before it is never taken for one.
const maxWord = 32

// authorization returns what follows the authentication scheme word in the
// Authorization field; blanks are possible. Another scheme's credential is
// absent. A field that names no scheme at all, such as an empty one or a bare key,
// is nobody's: whoever reads the field refuses it, since for an optional
// requirement it would else be none.
func (b *base) authorization(h http.Header, word string) (rest string, err error) {
	scheme, rest, state := credential.Authorization(h)
	switch {
	case state != credential.Once:
		return "", missed(state)
	case strings.EqualFold(scheme, word):
		return rest, nil
	case len(scheme) > maxWord || !isToken(scheme):
		return "", b.verifier.refusals.malformed
	default:
		return "", authn.ErrNoCredential
	}
}

// An owner tells the keys in a field from what another scheme finds there.
type owner struct {
	shared bool     // else everything is a key
	begin  []string // of keys: prefixes with "_"
}

// newOwner returns an owner, or everything that is wrong with it.
func newOwner(shared bool, prefixes []string) (owner, []error) {
	if len(prefixes) == 0 {
		prefixes = []string{defaultPrefix}
	}
	o := owner{shared: shared}
	var errs []error
	for _, prefix := range prefixes {
		if !validPrefix(prefix) {
			errs = append(errs, fmt.Errorf("apikey: prefix %q: want 1 to %d lower case letters and digits, a letter first", prefix, wordLength))
		}
		o.begin = append(o.begin, prefix+"_")
	}
	return o, errs
}

// owns reports whether text is to be judged as a key. What is blank is nobody
// else's.
func (o *owner) owns(text string) bool {
	if !o.shared || strings.Trim(text, " \t") == "" {
		return true
	}
	for _, begin := range o.begin {
		if strings.HasPrefix(text, begin) {
			return true
		}
	}
	return false
}
