package housekeeping

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/usage/tally"
	"github.com/warder-dev/warder/webhook"
)

const (
	// coarse is how much later than it is known a use may have been: uses are known by
	// the minute, and the clocks of nodes differ.
	coarse = 2 * time.Minute

	// retold is for how long a revocation is announced again, which the outbox takes
	// for the same event: a node may end between the revocation and its announcement.
	retold = 24 * time.Hour
)

// by is who acts here.
func by() apikey.By { return apikey.By{Actor: "system", Source: "housekeeping"} }

// idle revokes the keys, and ends the retiring secrets, that nobody used for as long
// as they say. Only the time for which every use is known counts: where it is not,
// nothing is idle.
func (k *Keeper) idle(ctx context.Context) error {
	now := time.Now()
	switch {
	case k.cfg.Cover == nil:
		return nil
	case k.cfg.Uses == nil:
		return tally.Abstain(ctx, k.cfg.Cover, k.node, k.began, now)
	}
	known, err := tally.Complete(ctx, k.cfg.Cover, now)
	if err != nil {
		return err
	}
	if known != (tally.Span{}) {
		look := look{Keeper: k, now: now, known: known}
		for _, state := range []apikey.State{apikey.Active, apikey.Retiring} {
			if err := k.each(ctx, apikey.Filter{State: state, IdleRevoke: true, At: now}, look.key); err != nil {
				return err
			}
		}
		if err := k.each(ctx, apikey.Filter{State: apikey.Retiring, At: now}, look.secrets); err != nil {
			return err
		}
	}
	return k.tellIdle(ctx, now)
}

// A look at the keys is by what is known at one moment.
type look struct {
	*Keeper

	now   time.Time
	known tally.Span
}

// idle reports whether nothing happened for d since the latest of these times.
func (l *look) idle(d time.Duration, times ...time.Time) bool {
	last := l.known.From
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return l.known.To.Sub(last) >= d+coarse
}

// last is when something was used at the latest: what is not known to be used may
// have been before uses were kept.
func (l *look) last(used time.Time) time.Time {
	if used.IsZero() {
		return l.now.Add(-l.cfg.Kept)
	}
	return used
}

// key revokes r if it is idle.
func (l *look) key(ctx context.Context, r *apikey.Record) error {
	since := []time.Time{r.Created, r.Updated}
	for i := range r.Secrets {
		since = append(since, r.Secrets[i].Created)
	}
	if !l.idle(r.IdleRevoke, since...) {
		return nil // whatever its uses are
	}
	use, err := l.cfg.Uses.Key(ctx, string(r.ID))
	if err != nil {
		return err
	}
	if !l.idle(r.IdleRevoke, append(since, l.last(use.LastUsed()))...) {
		return nil
	}
	_, err = apikey.RevokeIdle(ctx, l.cfg.Keys, by(), r.ID, r.Revision)
	return l.changed(r.ID, "an idle key was revoked", err)
}

// secrets ends those of r that are idle. The time in which one has to be used begins
// with the roll.
func (l *look) secrets(ctx context.Context, r *apikey.Record) error {
	var rolled time.Time
	for i := range r.Secrets {
		if s := &r.Secrets[i]; s.Created.After(rolled) {
			rolled = s.Created
		}
	}
	candidates := slices.DeleteFunc(slices.Clone(r.Secrets), func(s apikey.Secret) bool {
		return s.Retires.IsZero() || !l.now.Before(s.Retires) || s.IdleRetire == 0 || !l.idle(s.IdleRetire, rolled)
	})
	if len(candidates) == 0 {
		return nil
	}
	use, err := l.cfg.Uses.Key(ctx, string(r.ID))
	if err != nil {
		return err
	}
	var ended []int
	for _, s := range candidates {
		if l.idle(s.IdleRetire, l.last(lastUsed(&use, s.Number)), rolled) {
			ended = append(ended, s.Number)
		}
	}
	if len(ended) == 0 {
		return nil
	}
	_, err = apikey.EndSecrets(ctx, l.cfg.Keys, by(), r.ID, r.Revision, ended...)
	return l.changed(r.ID, "an idle secret was ended", err)
}

// lastUsed returns when the secret was used last; zero for never. A use of which
// nobody knows the secret may have been of this one.
func lastUsed(use *tally.KeyUse, number int) (last time.Time) {
	for _, s := range use.Secrets {
		if (s.Secret == number || s.Secret == 0) && s.At.After(last) {
			last = s.At
		}
	}
	return last
}

// changed tells of a change. When another one came between, the next round looks
// again: a key that is gone needs no more.
func (k *Keeper) changed(id apikey.ID, what string, err error) error {
	if errors.Is(err, apikey.ErrConflict) || errors.Is(err, apikey.ErrNotFound) {
		return nil
	}
	k.cfg.Changed(id) // also after an error: it may have been written
	if err == nil {
		k.cfg.Log.Info(what, slog.String("key_id", string(id)))
	}
	return err
}

// idleKey is the data of [webhook.KeyIdleRevoked].
type idleKey struct {
	KeyID       apikey.ID          `json:"key_id"`
	Name        string             `json:"name,omitempty"`
	Owner       string             `json:"owner,omitempty"`
	Environment apikey.Environment `json:"environment"`
	Expires     time.Time          `json:"expires,omitzero"`
	IdleDays    int                `json:"idle_days"` // whole days of what idle_revoke says
}

// tellIdle announces the keys that were revoked lately because they were idle.
func (k *Keeper) tellIdle(ctx context.Context, now time.Time) error {
	if k.cfg.Announce == nil {
		return nil
	}
	return k.each(ctx, apikey.Filter{State: apikey.Revoked, IdleRevoke: true, At: now}, func(ctx context.Context, r *apikey.Record) error {
		if r.Reason != apikey.ReasonIdle || now.Sub(r.Revoked) > retold {
			return nil
		}
		e, err := webhook.NewEvent("key-idle-revoked:"+string(r.ID), webhook.KeyIdleRevoked, r.Revoked, idleKey{
			KeyID: r.ID, Name: r.Name, Owner: r.Owner, Environment: r.Environment, Expires: r.Expires, IdleDays: int(r.IdleRevoke / day),
		})
		if err != nil {
			return err
		}
		return k.cfg.Announce(ctx, e)
	})
}
