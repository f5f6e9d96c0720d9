package keyservice

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/usage/tally"
)

// Uses tells what a key was used for. It is safe for concurrent use.
type Uses interface {
	// Key returns what is known of a key; nothing is no error.
	Key(ctx context.Context, key string) (tally.KeyUse, error)
}

var errNoUses = errors.New("keyservice: nothing counts the use of keys here")

// Bounds of one page of health.
const (
	healthLooks = 1000 // keys that it looks at
	healthStep  = 200  // keys that it reads at once
	reduceTries = 5    // of a reduction of whatever there is, which meets other changes
)

// An Ill is something that is wrong with a key.
type Ill struct {
	Finding   string     `json:"finding" enum:"never-expires,idle,over-scoped,many-addresses,old-secret" example:"over-scoped"`
	Since     *time.Time `json:"since,omitempty" doc:"of idle: when it was used last, or made; of old-secret: when that was used last"`
	Ends      *time.Time `json:"ends,omitempty" doc:"of old-secret: until when that works"`
	Scopes    []string   `json:"scopes,omitempty" nullable:"false" doc:"of over-scoped: those that no request of it needed" example:"[\"orders:write\"]"`
	Secret    int        `json:"secret,omitempty" doc:"of old-secret: its number"`
	Addresses int        `json:"addresses,omitempty" doc:"of many-addresses: how many at least, within 30 days"`
}

// KeyHealth is a key with what is wrong with it.
type KeyHealth struct {
	Key      Key   `json:"key"`
	Findings []Ill `json:"findings" nullable:"false"`
}

// HealthPage is a part of the keys that have something wrong.
type HealthPage struct {
	Keys   []KeyHealth `json:"keys" nullable:"false"`
	Looked int         `json:"looked" doc:"keys that were looked at" example:"1000"`
	Next   string      `json:"next,omitempty" doc:"the cursor of the next page; absent on the last" example:"AQAB"`
}

// HealthFilter is what health is asked for.
type HealthFilter struct {
	Finding string `query:"finding" enum:"never-expires,idle,over-scoped,many-addresses,old-secret" doc:"only keys with this one, and it alone"`
	Key     string `query:"key" doc:"the id of a key: this one alone, whatever its state" maxLength:"12" pattern:"^[0-9A-Za-z]{12}$" patternDescription:"12 letters and digits"`
	Owner   string `query:"owner" doc:"of this owner" maxLength:"128"`
	Idle    string `query:"idle" doc:"for how long a key is not used before it is told; default 90d" maxLength:"32"`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" doc:"keys in a page, which looks at 1000 at most and may be shorter, or empty, while there is next; default 100"`
	Cursor  string `query:"cursor" doc:"next of the page before, with the same filter" maxLength:"512"`
}

// parts are what a cursor of health belongs to.
func (f *HealthFilter) parts() []string { return []string{"health", f.Finding, f.Owner, f.Idle} }

func (s *Service) health(ctx context.Context, c *caller, in *HealthFilter) (*answer[HealthPage], error) {
	if s.cfg.Uses == nil {
		return nil, errNoUses
	}
	if c.bound() != "" {
		if in.Owner != "" && in.Owner != c.bound() {
			return nil, fail(problem.NotFound, "There is no such owner.")
		}
		in.Owner = c.bound()
	}
	if in.Limit == 0 {
		in.Limit = defaultPage
	}
	rules, err := in.rules(s.cfg.Health)
	if err != nil {
		return nil, err
	}
	d := doctor{uses: s.cfg.Uses, rules: rules, only: in.Finding, now: time.Now()}
	if in.Key != "" {
		return s.healthOf(ctx, c, in, &d)
	}
	q := apikey.Filter{Owner: in.Owner, Sort: apikey.SortCreated, Limit: healthStep, At: d.now}
	if in.Cursor != "" {
		place, ok := openCursor(in.Cursor, in.parts()...)
		if !ok || !readPlace(&q.After, place) {
			return nil, invalid(Fault{"cursor", "want next of a page with the same filter"})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	page := HealthPage{Keys: []KeyHealth{}}
	at, more, err := s.examine(ctx, &d, q, in.Limit, &page)
	if err != nil {
		return nil, err
	}
	if more {
		page.Next = sealCursor(placeOf(at), in.parts()...)
	}
	return &answer[HealthPage]{Body: page}, nil
}

// rules are those of the service, with what was asked for.
func (f *HealthFilter) rules(rules tally.HealthConfig) (tally.HealthConfig, error) {
	if f.Idle == "" {
		return rules, nil
	}
	var err error
	if rules.Idle, err = config.ParseDuration(f.Idle); err != nil || rules.Idle <= 0 {
		return rules, invalid(Fault{"idle", "want a duration such as 90d, longer than nothing"})
	}
	return rules, nil
}

// healthOf is the page of one key.
func (s *Service) healthOf(ctx context.Context, c *caller, in *HealthFilter, d *doctor) (*answer[HealthPage], error) {
	if in.Cursor != "" {
		return nil, invalid(Fault{"cursor", "is for lists: want either this or key"})
	}
	record, err := s.find(ctx, c, in.Key)
	if err != nil {
		return nil, err
	}
	if in.Owner != "" && record.Owner != in.Owner {
		return nil, notFound()
	}
	found, err := d.examine(ctx, &record)
	if err != nil {
		return nil, err
	}
	page := HealthPage{Keys: []KeyHealth{}, Looked: 1}
	if len(found) > 0 {
		page.Keys = append(page.Keys, KeyHealth{viewOf(&record, d.now), found})
	}
	return &answer[HealthPage]{Body: page}, nil
}

// examine fills a page with keys that work and have something wrong, and returns
// where it ended, and whether there is more. It looks at a bounded number of keys.
func (s *Service) examine(ctx context.Context, d *doctor, q apikey.Filter, limit int, page *HealthPage) (at apikey.Cursor, more bool, _ error) {
	for {
		read, err := s.cfg.Store.Find(ctx, q)
		if err != nil {
			return at, false, err
		}
		for i := range read.Records {
			r := &read.Records[i]
			at, more = q.CursorOf(r), read.More || i+1 < len(read.Records)
			page.Looked++
			if state := r.State(d.now); state == apikey.Active || state == apikey.Retiring {
				found, err := d.examine(ctx, r)
				if err != nil {
					return at, false, err
				}
				if len(found) > 0 {
					page.Keys = append(page.Keys, KeyHealth{viewOf(r, d.now), found})
				}
			}
			if len(page.Keys) == limit || page.Looked == healthLooks {
				return at, more, nil
			}
		}
		if !read.More {
			return at, false, nil
		}
		q.After = read.Next
	}
}

// A doctor judges keys.
type doctor struct {
	uses  Uses
	rules tally.HealthConfig
	only  string // the finding that is asked for; "" for all
	now   time.Time
}

func (d *doctor) examine(ctx context.Context, r *apikey.Record) (all []Ill, _ error) {
	use, err := d.uses.Key(ctx, string(r.ID))
	if err != nil {
		return nil, err
	}
	for _, f := range d.rules.Health(judged(r), &use, d.now) {
		if d.only == "" || string(f.Ill) == d.only {
			all = append(all, Ill{string(f.Ill), timeOf(f.Since), timeOf(f.Ends), f.Scopes, f.Secret, f.Count})
		}
	}
	return all, nil
}

// judged is what the judgement needs of a key.
func judged(r *apikey.Record) *tally.Key {
	k := &tally.Key{ID: string(r.ID), Scopes: r.Scopes, Created: r.Created, Expires: r.Expires}
	for i := range r.Secrets {
		k.Secrets = append(k.Secrets, tally.Secret{Number: r.Secrets[i].Number, Retires: r.Secrets[i].Retires})
	}
	return k
}

// reduce leaves a key the scopes that its requests needed.
func (s *Service) reduce(ctx context.Context, c *caller, in *Turn) (*answer[KeyChanged], error) {
	if _, err := readWait(in.Wait); err != nil { // before anything is changed
		return nil, err
	}
	var record apikey.Record
	var err error
	for range reduceTries {
		var revision apikey.Revision
		if record, revision, err = s.reduceOnce(ctx, c, in); revision != 0 || !errors.Is(err, apikey.ErrConflict) {
			break
		}
	}
	return s.changed(ctx, &record, in.Wait, err)
}

// reduceOnce reduces the key as it is now, and returns the revision that the client
// has seen, 0 for whatever there is.
func (s *Service) reduceOnce(ctx context.Context, c *caller, in *Turn) (record apikey.Record, revision apikey.Revision, err error) {
	record, err = s.find(ctx, c, in.ID)
	if err != nil {
		return record, 0, err
	}
	if revision, err = c.seen(in.IfMatch, &record, true); err != nil {
		return record, revision, err
	}
	if !record.Revoked.IsZero() {
		return record, revision, apikey.ErrRevoked
	}
	if s.cfg.Uses == nil {
		return record, revision, errNoUses
	}
	use, err := s.cfg.Uses.Key(ctx, in.ID)
	if err != nil {
		return record, revision, err
	}
	if use.LastUsed().IsZero() {
		return record, revision, fail(problem.Conflict, "Nobody has used the key since usage is counted. Revoke it, or change its scopes yourself.")
	}
	needed := s.cfg.Health.Reduced(judged(&record), &use)
	if slices.Equal(needed, slices.Compact(slices.Sorted(slices.Values(record.Scopes)))) {
		return record, revision, nil
	}
	record, err = s.cfg.Issuer.Update(ctx, c.by(), apikey.ID(in.ID), record.Revision, apikey.Patch{Scopes: &needed})
	if len(faultsOf(err)) > 0 { // what was needed of a pattern may be more than a list holds
		err = fail(problem.Conflict, "What the key has needed cannot be written as its scopes. Change them yourself.")
	}
	return record, revision, err
}

// addHealth registers what is about the health of keys.
func (s *Service) addHealth() {
	register(s, endpoint{
		id: "keyHealth", method: http.MethodGet, path: "/v1/keys:health", tag: "keys", right: ReadUsage, also: []int{404},
		summary: "List keys that work and have something wrong, a page at a time", description: "It goes by what usage was counted: wait until a month is, before you believe that something was never needed.",
	}, s.health)
	register(s, endpoint{
		id: "reduceKey", method: http.MethodPost, path: "/v1/keys/{id}:reduce", tag: "keys", right: WriteKeys, once: true, repeats: true, also: onceAlso(404, 412, 428),
		summary: "Leave a key the scopes that its requests needed", description: "What a pattern allowed is left as the scopes that were needed of it. A key that nobody has used is 409, and one that has needed all that it has is answered as it is.",
	}, s.reduce)
}
