package portal

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/usage/tally"
)

// pageSize is how many keys a page of the list has.
const pageSize = 50

// A row is a key with what is known of its use.
type row struct {
	apikey.Record

	State apikey.State
	Last  time.Time // zero: never
	Known bool      // its use is counted
}

func (v *visit) rowOf(ctx context.Context, r *apikey.Record, now time.Time) (row, error) {
	one := row{Record: *r, State: r.State(now)}
	if v.site.cfg.Uses == nil {
		return one, nil
	}
	use, err := v.site.cfg.Uses.Key(ctx, string(r.ID))
	if err != nil {
		return one, err
	}
	one.Last, one.Known = use.LastUsed(), true
	return one, nil
}

// mine reports whether a key is the holder's to see. A honeytoken is nobody's: whoever
// sees it could tell it from a key.
func (v *visit) mine(r *apikey.Record) bool {
	return r.Owner == v.pass.Owner && r.KindOf() != apikey.KindHoneytoken
}

// list shows the owner's keys.
func (v *visit) list() error {
	q, err := url.ParseQuery(v.r.URL.RawQuery)
	if err != nil || len(q) > 1 || len(q) == 1 && len(q["after"]) != 1 {
		return errNotFound
	}
	filter := apikey.Filter{Owner: v.pass.Owner, Limit: pageSize + 1}
	if text := q.Get("after"); text != "" {
		if filter.After, err = parsePlace(text); err != nil {
			return errNotFound
		}
	}
	ctx, cancel := v.bounded()
	defer cancel()
	records, err := v.page(ctx, filter)
	if err != nil {
		return err
	}
	next := ""
	if len(records) > pageSize {
		records = records[:pageSize]
		last := &records[pageSize-1]
		next = formatPlace(apikey.Cursor{Created: last.Created, ID: last.ID})
	}
	now := time.Now()
	var rows []row
	for i := range records {
		one, err := v.rowOf(ctx, &records[i], now)
		if err != nil {
			return err
		}
		rows = append(rows, one)
	}
	v.render(http.StatusOK, "API keys", listPage(v, rows, next, filter.After.ID != ""))
	return nil
}

// page is as many of the holder's keys as the filter takes. Neither their number nor
// the place of the last one tells of what is not shown.
func (v *visit) page(ctx context.Context, filter apikey.Filter) (records []apikey.Record, _ error) {
	for {
		page, err := v.site.cfg.Keys.Find(ctx, filter)
		if err != nil {
			return nil, err
		}
		for i := range page.Records {
			if v.mine(&page.Records[i]) {
				records = append(records, page.Records[i])
			}
		}
		if len(records) >= filter.Limit || !page.More {
			return records[:min(len(records), filter.Limit)], nil
		}
		filter.After = page.Next
	}
}

// formatPlace writes a place in the list: it says nothing that the list does not.
func formatPlace(c apikey.Cursor) string {
	return strconv.FormatInt(c.Created.UnixMicro(), 10) + "-" + string(c.ID)
}

func parsePlace(text string) (c apikey.Cursor, _ error) {
	at, id, found := cut(text)
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !found || !apikey.ValidID(id) || text != strconv.FormatInt(n, 10)+"-"+id {
		return c, errors.New("portal: not a place in the list")
	}
	return apikey.Cursor{Created: time.UnixMicro(n).UTC(), ID: apikey.ID(id)}, nil
}

// cut cuts before the id, since the time may be negative.
func cut(text string) (at, id string, found bool) {
	for i := len(text) - 1; i > 0; i-- {
		if text[i] == '-' {
			return text[:i], text[i+1:], true
		}
	}
	return "", "", false
}

// key is the key of the address. One of somebody else is not there, as one that there
// is not.
func (v *visit) key(ctx context.Context) (apikey.Record, error) {
	id := v.r.PathValue("id")
	if !apikey.ValidID(id) {
		return apikey.Record{}, errNotFound
	}
	r, err := v.site.cfg.Keys.Lookup(ctx, apikey.ID(id))
	if errors.Is(err, apikey.ErrNotFound) || err == nil && !v.mine(&r) {
		return apikey.Record{}, errNotFound
	}
	return r, err
}

// A day is what a key was used for on one.
type day struct {
	At       time.Time
	Requests int64
	Passed   int64
}

// shownDays is how far back the use of a key is shown.
const shownDays = 30

// usage is what the key was used for, the newest day first.
func (v *visit) usage(ctx context.Context, id apikey.ID, now time.Time) ([]day, error) {
	rows, err := v.site.cfg.Uses.Rows(ctx, tally.Query{Resolution: tally.Day, From: now.AddDate(0, 0, -shownDays), To: now.Add(time.Hour), Key: string(id), Limit: tally.MaxRows})
	if err != nil {
		return nil, err
	}
	var days []day
	for _, r := range rows {
		if n := len(days); n == 0 || !days[n-1].At.Equal(r.At) {
			days = append(days, day{At: r.At})
		}
		last := &days[len(days)-1]
		last.Requests += r.N
		if r.Outcome.Passed() {
			last.Passed += r.N
		}
	}
	slices.Reverse(days)
	return days, nil
}

// show shows one key.
func (v *visit) show() error {
	ctx, cancel := v.bounded()
	defer cancel()
	r, err := v.key(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	one, err := v.rowOf(ctx, &r, now)
	if err != nil {
		return err
	}
	var days []day
	if v.pass.Grant.Usage && v.site.cfg.Uses != nil {
		if days, err = v.usage(ctx, r.ID, now); err != nil {
			return err
		}
	}
	v.render(http.StatusOK, title(&r), keyPage(v, &one, days))
	return nil
}

// title is the name of a key, or its id.
func title(r *apikey.Record) string {
	if r.Name == "" {
		return string(r.ID)
	}
	return r.Name
}

// works reports whether a key can be rolled and revoked here: one that who administers
// has disabled comes back by nobody else.
func works(r *apikey.Record, now time.Time) bool {
	s := r.State(now)
	return s == apikey.Active || s == apikey.Retiring
}

// overlaps are for how long the former text of a key may work on.
func overlaps() []option {
	return []option{{"24h", "for a day"}, {"1h", "for an hour"}, {"168h", "for a week"}, {"0s", "no longer"}}
}

// usable finds the key of an action that the link allows.
func (v *visit) usable(ctx context.Context, allowed bool) (apikey.Record, error) {
	if !allowed {
		return apikey.Record{}, errNotFound
	}
	r, err := v.key(ctx)
	if err == nil && !works(&r, time.Now()) {
		err = refused(problem.Conflict, "This key does not work any more.")
	}
	return r, err
}

func (v *visit) showRoll() error {
	ctx, cancel := v.bounded()
	defer cancel()
	r, err := v.usable(ctx, v.pass.Grant.Roll)
	if err != nil {
		return err
	}
	v.render(http.StatusOK, "New text of "+title(&r), rollPage(&r, ""))
	return nil
}

func (v *visit) roll() error {
	ctx, cancel := v.bounded()
	defer cancel()
	if !v.pass.Grant.Roll {
		return errNotFound
	}
	r, err := v.key(ctx)
	if err != nil {
		return err
	}
	overlap := v.field("overlap")
	if !slices.ContainsFunc(overlaps(), func(o option) bool { return o.value == overlap }) {
		return refused(problem.InvalidBody, "Choose how long the former text works on.")
	}
	life, err := time.ParseDuration(overlap)
	if err != nil {
		return err
	}
	attempt, again, err := v.begin(ctx)
	if err != nil {
		return err
	}
	if again {
		v.render(http.StatusOK, title(&r), goneBefore(&r))
		return nil
	}
	if !works(&r, time.Now()) {
		v.undone(ctx, attempt)
		return refused(problem.Conflict, "This key does not work any more.")
	}
	// At this revision it is the owner's: at the next it may be somebody else's.
	rolled, text, err := v.site.cfg.Issuer.Roll(ctx, v.keyBy(), r.ID, r.Revision, apikey.RollSpec{Overlap: life})
	if err != nil {
		return v.changed(ctx, attempt, err)
	}
	v.reveal(&rolled, text)
	return nil
}

// reasons are why a holder revokes.
func reasons() []option {
	return []option{
		{apikey.ReasonCessationOfOperation, "it is not needed any more"},
		{apikey.ReasonSuperseded, "another key took its place"},
		{apikey.ReasonKeyCompromise, "somebody else may have it"},
	}
}

func (v *visit) showRevoke() error {
	ctx, cancel := v.bounded()
	defer cancel()
	r, err := v.usable(ctx, v.pass.Grant.Revoke)
	if err != nil {
		return err
	}
	v.render(http.StatusOK, "Revoke "+title(&r), revokePage(&r, ""))
	return nil
}

// revokeWait is how long a holder waits for all nodes.
const revokeWait = 2 * time.Second

func (v *visit) revoke() error {
	ctx, cancel := v.bounded()
	defer cancel()
	if !v.pass.Grant.Revoke {
		return errNotFound
	}
	r, err := v.key(ctx)
	if err != nil {
		return err
	}
	reason := v.field("reason")
	if !slices.ContainsFunc(reasons(), func(o option) bool { return o.value == reason }) {
		return refused(problem.InvalidBody, "Choose why the key is revoked.")
	}
	if v.field("sure") != "yes" {
		v.render(http.StatusBadRequest, "Revoke "+title(&r), revokePage(&r, "Say that you are sure: a revoked key does not come back."))
		return nil
	}
	revoked, err := v.site.cfg.Issuer.RevokeAt(ctx, v.keyBy(), r.ID, r.Revision, reason)
	if err != nil {
		return keyRefusal(err)
	}
	receipt, err := fleet.Await(ctx, v.site.cfg.Registry, revoked.Revision, min(revokeWait, v.site.cfg.Timeout/2))
	v.render(http.StatusOK, title(&r), revokedPage(&revoked, err == nil && receipt.Complete()))
	return nil
}

// keyRefusal is what the holder is told when a key could not be changed. What has no
// name of its own is a store without an answer.
func keyRefusal(err error) error {
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return errNotFound
	case errors.Is(err, apikey.ErrConflict):
		return refused(problem.ChangedMeanwhile, "The key was changed meanwhile. Look at it again, and decide anew.")
	case errors.Is(err, apikey.ErrRevoked), errors.Is(err, apikey.ErrExpired):
		return refused(problem.Conflict, "This key does not work any more.")
	}
	if spec, ok := errors.AsType[*apikey.SpecError](err); ok {
		return refused(problem.InvalidBody, spec.Field+": "+spec.Reason)
	}
	return err
}
