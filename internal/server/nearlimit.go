package server

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/webhook"
)

// nearLimit is the data of [webhook.LimitNear].
type nearLimit struct {
	Limit   string `json:"limit"`
	Count   int    `json:"count"`
	Per     string `json:"per"`
	Route   string `json:"route"`
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject,omitempty"`
	KeyID   string `json:"key_id,omitempty"`
	Owner   string `json:"owner,omitempty"`
	Client  string `json:"client,omitempty"` // of nobody who is known
}

// near announces who is near a limit: each subject of it once in its time, and once
// an hour at most. nil when nobody is told of events.
func (a *announcer) near() func(*exchange.Exchange, *ratelimit.Limit) {
	if a == nil {
		return nil
	}
	return func(x *exchange.Exchange, l *ratelimit.Limit) {
		subject, ok := l.Digest(x)
		if !ok {
			return
		}
		q, p := l.Quota(), &x.Principal
		d := nearLimit{Limit: l.Name(), Count: q.Count, Per: q.Per.String(), Route: x.Route}
		if p.IsZero() {
			d.Client = x.Client.String()
		} else {
			d.Issuer, d.Subject, d.KeyID, d.Owner = p.Issuer, p.Subject, p.KeyID, p.Owner
		}
		now := time.Now()
		a.offer(nearID(l.Name(), subject, q.Per, now), webhook.LimitNear, now, d)
	}
}

// nearID is the same for all nodes, and for all requests of a subject in one span of
// time: the limit's, but for an hour at least, and no longer than events that were
// delivered are remembered.
func nearID(limit string, subject ratelimit.Digest, per time.Duration, now time.Time) string {
	per = min(max(per, announceEvery), webhook.Remembered)
	return fmt.Sprintf("limit-near:%s:%s:%d", limit, hex.EncodeToString(subject[:]), now.Unix()/int64(per/time.Second))
}
