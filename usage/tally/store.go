package tally

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// A Batch is what one node counted within one minute, or a part of one.
type Batch struct {
	Minute    time.Time // its beginning, UTC
	Counts    []Count
	Secrets   []SecretUse
	Addresses []AddressUse
	Scopes    []ScopeUse // at Minute
}

// A Count is how many requests of a key to a route had an outcome.
type Count struct {
	Key     string // id of the key; "" where none was proven, [Other]
	Route   string // its pattern; "" where none matched, [Other]
	Outcome Outcome
	N       int64
}

// A SecretUse says when a secret of a key was used last, by the minute.
type SecretUse struct {
	Key    string
	Secret int // its number; 0 where that is not known
	At     time.Time
}

// An AddressUse says how often a key was used from an address, or from a /64 of
// IPv6, and when last.
type AddressUse struct {
	Key    string
	Prefix netip.Prefix
	N      int64
	At     time.Time
}

// A ScopeUse says that a key was let in where it needed the scope.
type ScopeUse struct {
	Key   string
	Scope string
	At    time.Time
}

func (b *Batch) reset(minute time.Time) {
	b.Minute = minute.UTC()
	b.Counts, b.Secrets, b.Addresses, b.Scopes = b.Counts[:0], b.Secrets[:0], b.Addresses[:0], b.Scopes[:0]
}

func (b *Batch) empty() bool { return len(b.Counts) == 0 && len(b.Secrets) == 0 }

func (b *Batch) requests() (n uint64) {
	for i := range b.Counts {
		n += uint64(b.Counts[i].N) //nolint:gosec // counts
	}
	return n
}

func minuteOf(seconds int64) time.Time { return time.Unix(seconds, 0).UTC().Truncate(time.Minute) }

// A Resolution is the time that one row stands for.
type Resolution string

// The resolutions.
const (
	Minute Resolution = "minute"
	Hour   Resolution = "hour"
	Day    Resolution = "day" // of UTC
)

// Length is the time that one row of r stands for; 0 for what is no resolution.
func (r Resolution) Length() time.Duration {
	switch r {
	case Minute:
		return time.Minute
	case Hour:
		return time.Hour
	case Day:
		return 24 * time.Hour
	default:
		return 0
	}
}

// A Query asks for counts.
type Query struct {
	Resolution Resolution
	From, To   time.Time // rows that begin from From on and before To
	Key        string    // of one key; "" for all
	Limit      int       // 1 to [MaxRows]. Required.
	After      *Row      // the end of the page before
}

// MaxRows is the greatest limit of a [Query].
const MaxRows = 10_000

var errQuery = errors.New("tally: query: want a resolution of minute, hour or day, a time from and to, and a limit of 1 to 10,000")

// Check reports whether q can be asked: what every [Reader] does first.
func (q *Query) Check() error {
	if q.Resolution.Length() == 0 || q.From.IsZero() || q.To.IsZero() || q.Limit < 1 || q.Limit > MaxRows {
		return errQuery
	}
	return nil
}

// A Row is a [Count] of the time that begins At.
type Row struct {
	At time.Time
	Count
}

// A Total is what one key, or one route, was asked for in all.
type Total struct {
	Name     string // id of the key, or pattern of the route
	Requests int64
	Passed   int64 // of these reached the handler
	Limited  int64 // of these were over a limit
	Failed   int64 // of these were answered 5xx, could not be judged, or were cut short
}

// By says what totals are of.
type By string

// What totals are of.
const (
	ByKey   By = "key"
	ByRoute By = "route"
)

// A KeyUse is what is known of one key. Its lists have the latest first.
type KeyUse struct {
	Secrets   []SecretUse
	Addresses []AddressUse // the most frequent and the latest: not all
	Scopes    []ScopeUse
}

// LastUsed returns when the key was used last, by the minute; zero for never.
func (u *KeyUse) LastUsed() (last time.Time) {
	for _, s := range u.Secrets {
		if s.At.After(last) {
			last = s.At
		}
	}
	return last
}

// A Reader tells what was counted. Implementations pass tallytest.TestStore and are
// safe for concurrent use.
type Reader interface {
	// Rows returns the first Limit rows that q asks for, by time, key, route and
	// outcome.
	Rows(ctx context.Context, q Query) ([]Row, error)

	// Top returns the limit (1 to 1000) keys or routes with the most requests within
	// q's time; its Limit and After are without effect. Requests without a key are the
	// key "".
	Top(ctx context.Context, q Query, by By, limit int) ([]Total, error)

	// Key returns what is known of a key; nothing is no error.
	Key(ctx context.Context, key string) (KeyUse, error)
}

// A Store keeps what was counted.
type Store interface {
	Reader

	// Add adds b's counts to the rows of its minute, hour and day and notes the uses,
	// in one transaction: a time never goes back. It does not keep b.
	Add(ctx context.Context, b *Batch) error

	// Prune removes rows that are older than keep says, and what is known of keys that
	// were not used for as long as days are kept.
	Prune(ctx context.Context, now time.Time, keep Retention) error
}
