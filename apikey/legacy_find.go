package apikey

import (
	"context"
	"errors"
	"fmt"
)

// ClaimImported is what [Verifier.Claims] says of texts that may be imported ones.
const ClaimImported = "imported"

// Claims returns what text says that it is, before anything is proved, so that
// guesses at it can be counted: the id of its key, also of an imported text under
// which a key was found lately; [ClaimImported] for others that may be imported
// ones, where such are taken; and "" for what is no key. It asks no store.
func (v *Verifier) Claims(text string) string {
	if info, err := Parse(text); err == nil {
		return string(info.ID)
	}
	if v.legacy == nil || !importable(text) {
		return ""
	}
	sum := v.cfg.Peppers.current().imported(text)
	if known, ok := v.legacy.known.find(&sum); ok {
		return string(known.id)
	}
	return ClaimImported
}

// FindImported returns the id of the key of another system whose text this is,
// whatever its format, and also where no verifier takes that. It tells whether a
// text is right: count who asks. Errors: [ErrNotFound], and what the store says.
func FindImported(ctx context.Context, store LegacyStore, peppers *Peppers, text string) (ID, error) {
	if peppers == nil || !importable(text) {
		return "", ErrNotFound
	}
	l := legacy{formats: Formats(), store: store}
	id, err := l.ask(ctx, l.sums(text, peppers))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", fmt.Errorf("apikey: look up imported key: %w", err)
	}
	return id, err
}
