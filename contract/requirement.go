package contract

import (
	"errors"
	"fmt"
	"slices"

	"github.com/warder-dev/warder/authn"
)

// ErrUnstated means that a document says nothing of an operation's security, so
// that whoever serves it decides.
var ErrUnstated = errors.New("contract: the document says nothing of the operation's security")

// Requirement returns what o asks for, for authn.New. schemes are those of the
// document, by its names for them. Without an error it is nil for an operation that
// anybody may call, which has no stage of authn. A scheme that is missing is an
// error, as is an operation of which the document says nothing: [ErrUnstated].
func (o *Operation) Requirement(schemes map[string]authn.Scheme) (authn.Requirement, error) {
	if !o.Stated {
		return nil, fmt.Errorf("%w: %s", ErrUnstated, o.Name())
	}
	var all authn.Requirement
	var errs []error
	for _, a := range o.Security {
		alternative := authn.Alternative{}
		for _, name := range sorted(a) {
			scheme := schemes[name]
			if scheme == nil {
				errs = append(errs, fmt.Errorf("contract: %s asks for the scheme %q, which is not given", o.Name(), name))
				continue
			}
			scopes := slices.Concat(a[name], o.Scopes)
			slices.Sort(scopes)
			alternative = append(alternative, authn.Need{Scheme: scheme, Scopes: slices.Compact(scopes)})
		}
		all = append(all, alternative)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}
