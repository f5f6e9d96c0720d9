package housekeeping

import (
	"context"
	"fmt"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/webhook"
)

const day = 24 * time.Hour

// notices are how many days before the end somebody is told, the last one first.
func notices() []int { return []int{1, 7, 30} }

// expiring announces the keys that expire within 30, 7 or 1 days, once each.
func (k *Keeper) expiring(ctx context.Context) error {
	if k.cfg.Announce == nil {
		return nil
	}
	now := time.Now()
	for _, state := range []apikey.State{apikey.Active, apikey.Retiring} {
		f := apikey.Filter{State: state, ExpiresBefore: now.Add(30 * day), At: now}
		if err := k.each(ctx, f, func(ctx context.Context, r *apikey.Record) error { return k.notify(ctx, r, now) }); err != nil {
			return err
		}
	}
	return nil
}

// expiry is the data of [webhook.KeyExpiring].
type expiry struct {
	KeyID       apikey.ID          `json:"key_id"`
	Name        string             `json:"name,omitempty"`
	Owner       string             `json:"owner,omitempty"`
	Environment apikey.Environment `json:"environment"`
	Expires     time.Time          `json:"expires"`
	Days        int                `json:"days"` // within which it expires
}

// notify announces r by the shortest notice that is due. A key that was made to live
// no longer than a notice is none of it.
func (k *Keeper) notify(ctx context.Context, r *apikey.Record, now time.Time) error {
	for _, days := range notices() {
		notice := time.Duration(days) * day
		if r.Expires.Sub(now) > notice {
			continue
		}
		if r.Expires.Sub(r.Created) <= notice {
			return nil
		}
		id := fmt.Sprintf("key-expiring:%s:%d:%d", r.ID, days, r.Expires.Unix())
		e, err := webhook.NewEvent(id, webhook.KeyExpiring, now, expiry{
			KeyID: r.ID, Name: r.Name, Owner: r.Owner, Environment: r.Environment, Expires: r.Expires, Days: days,
		})
		if err != nil {
			return err
		}
		return k.cfg.Announce(ctx, e)
	}
	return nil
}
