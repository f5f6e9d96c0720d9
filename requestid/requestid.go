// Package requestid gives each request an id of our own, so that a client
// cannot forge the thread that ties log lines together.
package requestid

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// field is the header that carries the id, in canonical form.
const field = "X-Request-Id"

// Sizes of an id, in bytes.
const (
	idLength     = 26
	randomLength = 10
)

// batchSize is how many ids are made at once: one allocation and one call to
// the random source for all of them.
const batchSize = 32

// maxAge is how long a batch is used: ids sort by time to about that much.
const maxAge = time.Second

// alphabet is Crockford's base 32: sorts like the numbers, needs no escaping
// anywhere and has no letters that look alike.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Config configures a [Stage]. There is nothing to set yet.
type Config struct{ _ [0]func() }

// A Stage sets [exchange.Exchange.ID] and the response field X-Request-Id.
type Stage struct{ batches sync.Pool }

// New returns the stage for cfg. The error is always nil today.
func New(Config) (*Stage, error) { return &Stage{}, nil }

// Check gives x an id of 26 characters: 48 bits of the time in milliseconds and
// 80 random bits, in the form of a ULID. Ids are for finding things; they are
// no secret and prove nothing. A client's own X-Request-Id is replaced before
// any handler sees it.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	x.ID = s.next(x.Start)
	if _, sent := x.Request.Header[field]; sent {
		x.Request = x.Request.WithContext(x.Request.Context()) // a shallow copy of our own
		x.Request.Header = x.Request.Header.Clone()
		x.Request.Header[field] = x.IDField()
	}
	return exchange.Pass()
}

// Headers sets X-Request-Id on every answer.
func (s *Stage) Headers(x *exchange.Exchange, h http.Header) { h[field] = x.IDField() }

// Wrap is Check as net/http middleware, for use without a Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

// A batch is ids that were made together: one string, cut up as they are needed.
type batch struct {
	ids  string
	made time.Time
}

// next takes an id of a batch that nobody else holds meanwhile. A batch that the
// pool drops takes its unused ids with it.
func (s *Stage) next(now time.Time) string {
	b, _ := s.batches.Get().(*batch)
	if b == nil {
		b = new(batch)
	}
	if b.ids == "" || now.Sub(b.made) > maxAge || now.Before(b.made.Add(-maxAge)) {
		*b = batch{ids: makeIDs(now), made: now}
	}
	id := b.ids[:idLength]
	b.ids = b.ids[idLength:]
	s.batches.Put(b)
	return id
}

// makeIDs returns batchSize ids of the time now, one behind the other. The
// random source ends the process rather than fail.
func makeIDs(now time.Time) string {
	var random [batchSize * randomLength]byte
	_, _ = rand.Read(random[:]) // never fails
	text := make([]byte, 0, batchSize*idLength)
	ms := uint64(max(now.UnixMilli(), 0))
	for i := range batchSize {
		for shift := 45; shift >= 0; shift -= 5 {
			text = append(text, alphabet[ms>>shift&31])
		}
		text = appendRandom(text, random[i*randomLength:(i+1)*randomLength])
	}
	return string(text)
}

// appendRandom writes 10 bytes as 16 characters, 5 bytes at a time.
func appendRandom(text, random []byte) []byte {
	for ; len(random) >= 5; random = random[5:] {
		n := uint64(random[0])<<32 | uint64(random[1])<<24 | uint64(random[2])<<16 | uint64(random[3])<<8 | uint64(random[4])
		for shift := 35; shift >= 0; shift -= 5 {
			text = append(text, alphabet[n>>shift&31])
		}
	}
	return text
}
