package introspection

import (
	"context"
	"time"

	"github.com/warder-dev/warder/internal/bearer"
)

// NewWithAsk is New with answers that ask gives, so that a test with a clock of its
// own needs no connection.
func NewWithAsk(cfg Config, ask func(ctx context.Context, token string) ([]byte, error)) (*Scheme, error) {
	s, err := New(cfg)
	if err == nil {
		s.ask = ask
	}
	return s, err
}

// Remembered returns how many answers are.
func (s *Scheme) Remembered() (active, inactive int) { return s.active.Len(), s.inactive.Len() }

// Read reports what body says: whether it says anything, and of whom.
func Read(body []byte, now time.Time) (subject string, refusal, err error) {
	r := rules{issuer: "i", audience: []string{"a"}, active: time.Minute, mapping: bearer.Mapping{Owner: "owner"}}
	r.mapping.Complete()
	a, err := r.read(body, now)
	return a.principal.Subject, a.refusal, err
}
