package keyservice_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
)

const batchRevoke = "/v1/keys:batchRevoke"

// working are the names of keys that are not revoked.
func (w *world) working(t *testing.T) (names []string) {
	t.Helper()
	all, err := w.store.List(t.Context(), "", 1000)
	must(t, err)
	for i := range all {
		if all[i].Revoked.IsZero() {
			names = append(names, all[i].Name)
		}
	}
	slices.Sort(names)
	return names
}

// three makes a key of globex, and two of acme, one of them in test.
func (w *world) three(t *testing.T) (ids map[string]string) {
	t.Helper()
	ids = make(map[string]string)
	for name, spec := range map[string]keyservice.KeySpec{
		"a-live": {Owner: "acme"}, "a-test": {Owner: "acme", Environment: "test"}, "g-live": {Owner: "globex"},
	} {
		spec.Name = name
		ids[name] = w.made(t, spec).Key.ID
	}
	return ids
}

func TestRevokeMany(t *testing.T) {
	for name, tt := range map[string]struct {
		body   func(ids map[string]string) map[string]any
		person string
		left   []string
	}{
		"ids": {func(ids map[string]string) map[string]any {
			return map[string]any{"keys": []string{ids["a-live"], ids["g-live"]}}
		}, "owner", []string{"a-test"}},
		"an owner":       {func(map[string]string) map[string]any { return map[string]any{"owner": "acme", "count": 2} }, "admin", []string{"g-live"}},
		"an environment": {func(map[string]string) map[string]any { return map[string]any{"environment": "live", "count": 2} }, "owner", []string{"a-test"}},
		"both": {func(map[string]string) map[string]any {
			return map[string]any{"owner": "acme", "environment": "live", "count": 1}
		}, "owner", []string{"a-test", "g-live"}},
		"ids of its owner": {func(ids map[string]string) map[string]any {
			return map[string]any{"keys": []string{ids["a-live"], ids["a-test"]}}
		}, "admin:acme", []string{"g-live"}},
		"an environment of its owner": {func(map[string]string) map[string]any { return map[string]any{"environment": "live", "count": 1} }, "admin:acme", []string{"a-test", "g-live"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			body := tt.body(w.three(t))
			body["reason"] = apikey.ReasonCessationOfOperation
			fields := []string{"X-Person", tt.person, "Idempotency-Key", "one"}
			r := w.ask(t, http.MethodPost, batchRevoke, body, fields...)
			want(t, name, r, http.StatusOK)
			var done keyservice.BulkRevoked
			r.json(t, &done)
			if got := w.working(t); !slices.Equal(got, tt.left) || len(done.Revoked) != 3-len(tt.left) || done.Before != 0 || !done.Receipt.Complete {
				t.Errorf("left are %q, want %q: %s", got, tt.left, r.text)
			}
			newest := int64(0)
			for _, id := range done.Revoked {
				record, err := w.store.Lookup(t.Context(), apikey.ID(id))
				must(t, err)
				newest = max(newest, int64(record.Revision))
				if record.Reason != apikey.ReasonCessationOfOperation {
					t.Errorf("%s has the reason %q", id, record.Reason)
				}
			}
			if done.Receipt.Revision != newest {
				t.Errorf("the receipt is of %d, want %d", done.Receipt.Revision, newest)
			}
			if r = w.ask(t, http.MethodPost, batchRevoke, body, fields...); r.status != http.StatusOK || r.header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("asked again: %d %s", r.status, r.text)
			}
		})
	}
}

func TestRevokeManyAgain(t *testing.T) {
	w := newWorld(t)
	ids := w.three(t)
	body := map[string]any{"keys": []string{ids["a-live"], ids["g-live"]}}
	want(t, "one", w.ask(t, http.MethodPost, "/v1/keys/"+ids["a-live"]+":revoke", `{"reason":"key-compromise"}`), http.StatusOK)
	for _, tt := range []struct{ revoked, before int }{{1, 1}, {0, 2}} {
		var done keyservice.BulkRevoked
		w.ask(t, http.MethodPost, batchRevoke, body).json(t, &done)
		if len(done.Revoked) != tt.revoked || done.Before != tt.before {
			t.Errorf("%+v, want %+v", done, tt)
		}
	}
	record, err := w.store.Lookup(t.Context(), apikey.ID(ids["a-live"]))
	must(t, err)
	if record.Reason != apikey.ReasonKeyCompromise {
		t.Errorf("what was revoked before has the reason %q now", record.Reason)
	}
}

// More than one transaction holds.
func TestRevokeThousands(t *testing.T) {
	w := newWorld(t)
	specs := make([]apikey.Spec, apikey.MaxBatch)
	for i := range specs {
		specs[i] = apikey.Spec{Environment: "live", Owner: "acme"}
	}
	for range 2 {
		_, err := w.issuer.CreateAll(t.Context(), apikey.By{Actor: "t", Source: "t"}, specs)
		must(t, err)
	}
	w.three(t)
	r := w.ask(t, http.MethodPost, batchRevoke, `{"owner":"acme","count":2002}`)
	want(t, "revoke", r, http.StatusOK)
	var done keyservice.BulkRevoked
	r.json(t, &done)
	page, err := w.store.Find(t.Context(), apikey.Filter{State: apikey.Active, Limit: 10})
	must(t, err)
	if len(done.Revoked) != 2002 || len(page.Records) != 1 || page.Records[0].Name != "g-live" {
		t.Errorf("%d were revoked, and %d are left", len(done.Revoked), len(page.Records))
	}
}

func TestRevokeManyRefuses(t *testing.T) {
	w := newWorld(t)
	ids := w.three(t)
	before := w.working(t)
	own, other := ids["a-live"], ids["g-live"]
	many := `{"keys":[` + strings.TrimSuffix(strings.Repeat(`"`+own+`",`, 1001), ",") + `]}`
	for name, tt := range map[string]struct {
		body   string
		person string
		status int
		field  string
	}{
		"nothing":             {`{}`, "owner", 400, "keys"},
		"no keys":             {`{"keys":[]}`, "owner", 400, "keys"},
		"too many":            {many, "owner", 400, "keys"},
		"the same twice":      {`{"keys":["` + own + `","` + own + `"]}`, "owner", 400, "keys[1]"},
		"no id":               {`{"keys":["' OR 1=1--"]}`, "owner", 400, "keys[0]"},
		"an id that is none":  {`{"keys":["` + own + `","AAAAAAAAAAAA"]}`, "owner", 400, "keys[1]"},
		"both":                {`{"keys":["` + own + `"],"owner":"acme"}`, "owner", 400, "keys"},
		"ids with a count":    {`{"keys":["` + own + `"],"count":1}`, "owner", 400, "keys"},
		"only a count":        {`{"count":3}`, "owner", 400, "keys"},
		"no count":            {`{"owner":"acme"}`, "owner", 400, "count"},
		"a count of nothing":  {`{"owner":"acme","count":0}`, "owner", 400, "count"},
		"a count too high":    {`{"owner":"acme","count":10001}`, "owner", 400, "count"},
		"a count below":       {`{"owner":"acme","count":1}`, "owner", 409, ""},
		"a count above":       {`{"owner":"acme","count":3}`, "owner", 409, ""},
		"a pattern":           {`{"owner":"%","count":3}`, "owner", 409, ""},
		"a reason":            {`{"keys":["` + own + `"],"reason":"Not a word"}`, "owner", 400, "reason"},
		"an unknown member":   {`{"keys":["` + own + `"],"force":true}`, "owner", 400, "force"},
		"another owner's id":  {`{"keys":["` + own + `","` + other + `"]}`, "admin:acme", 400, "keys[1]"},
		"another owner":       {`{"owner":"globex","count":1}`, "admin:acme", 404, ""},
		"others are counted":  {`{"environment":"live","count":2}`, "admin:acme", 409, ""},
		"a developer":         {`{"keys":["` + own + `"]}`, "developer", 403, ""},
		"an auditor":          {`{"keys":["` + own + `"]}`, "auditor", 403, ""},
		"a bound developer":   {`{"keys":["` + own + `"]}`, "developer:acme", 403, ""},
		"no owner as a trick": {`{"owner":"","environment":"","count":3}`, "owner", 400, "keys"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.ask(t, http.MethodPost, batchRevoke, tt.body, "X-Person", tt.person)
			want(t, name, r, tt.status)
			if got := r.fields(t); tt.field != "" && !slices.Contains(got, tt.field) {
				t.Errorf("names %q, want %q", got, tt.field)
			}
			if got := w.working(t); !slices.Equal(got, before) {
				t.Errorf("left are %q", got)
			}
		})
	}
	want(t, "a wait", w.ask(t, http.MethodPost, batchRevoke+"?wait=1h", map[string]any{"keys": []string{own}}), http.StatusBadRequest)
	attack.Case(t, "ADMIN-03", attack.Admin, func(t *testing.T) {
		ask := func(id string) string {
			r := w.ask(t, http.MethodPost, batchRevoke, map[string]any{"keys": []string{id}}, "X-Person", "admin:acme")
			want(t, id, r, http.StatusBadRequest)
			return r.text
		}
		if theirs, none := ask(other), ask("AAAAAAAAAAAA"); theirs != none {
			t.Errorf("another's key is told as %s, and none as %s", theirs, none)
		}
	})
	if got := w.working(t); !slices.Equal(got, before) {
		t.Errorf("left are %q", got)
	}
}

// Who revokes many has logged in a moment ago; one is urgent.
func TestRevokeManyWantsAFreshLogin(t *testing.T) {
	w := newWorld(t, func(cfg *keyservice.Config) {
		cfg.Stale = func(p *exchange.Principal, right keyservice.Right) bool {
			_, stale := account.Permits(p, account.Action(right), time.Now())
			return stale
		}
	})
	ids := w.three(t)
	body := map[string]any{"keys": []string{ids["a-live"]}}
	r := w.ask(t, http.MethodPost, batchRevoke, body, "X-Person", "admin", "X-Age", "11m")
	if want(t, "late", r, http.StatusForbidden); !strings.Contains(r.text, "fresh-login") || len(w.working(t)) != 3 {
		t.Errorf("late: %s", r.text)
	}
	want(t, "one", w.ask(t, http.MethodPost, "/v1/keys/"+ids["a-test"]+":revoke", `{}`, "X-Person", "admin", "X-Age", "11m"), http.StatusOK)
	want(t, "in time", w.ask(t, http.MethodPost, batchRevoke, body, "X-Person", "admin", "X-Age", "9m"), http.StatusOK)
	_, key, err := w.machines.Issue(t.Context(), account.Actor{By: "t", Source: "t", Operator: true}, login.KeySpec{Role: account.Admin, Owner: "globex"})
	must(t, err)
	want(t, "by an owner's admin key", w.ask(t, http.MethodPost, batchRevoke, `{"environment":"live","count":1}`, "Authorization", "Bearer "+key.Reveal()), http.StatusOK)
	if got := w.working(t); len(got) != 0 {
		t.Errorf("left are %q", got)
	}
}

// A key that changes between is revoked as it is then; one that is deleted between,
// when it was named, leaves all as they were.
func TestRevokeManyMeetsChanges(t *testing.T) {
	by := apikey.By{Actor: "t", Source: "t"}
	for name, tt := range map[string]struct {
		meddle func(w *world, id apikey.ID) error
		status int
		left   int
	}{
		"renamed": {func(w *world, id apikey.ID) error {
			return second(apikey.Update(t.Context(), w.store, by, id, 0, apikey.Patch{Name: new("x")}))
		}, 200, 1},
		"given away": {func(w *world, id apikey.ID) error {
			return second(apikey.Update(t.Context(), w.store, by, id, 0, apikey.Patch{Owner: new("globex")}))
		}, 400, 3},
		"deleted": {func(w *world, id apikey.ID) error { return second(apikey.Delete(t.Context(), w.store, by, id, 0)) }, 400, 2},
		"revoked first": {func(w *world, id apikey.ID) error {
			return second(apikey.Revoke(t.Context(), w.store, by, id, "superseded"))
		}, 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := new(meddler)
			w := newWorldOf(t, m)
			ids := w.three(t)
			first := ids["a-live"]
			m.arm(func() { must(t, tt.meddle(w, apikey.ID(first))) })
			r := w.ask(t, http.MethodPost, batchRevoke, map[string]any{"keys": []string{first, ids["a-test"]}}, "X-Person", "admin:acme")
			m.arm(nil)
			if want(t, name, r, tt.status); len(w.working(t)) != tt.left {
				t.Errorf("left are %q, want %d", w.working(t), tt.left)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// Where the store gives no answer, that is what is said.
func TestRevokeManyWithoutAnAnswer(t *testing.T) {
	w := newWorld(t)
	w.three(t)
	w.fault = func() error { return errDown }
	r := w.ask(t, http.MethodPost, batchRevoke, `{"owner":"acme","count":2}`)
	want(t, "nobody knows the nodes", r, http.StatusServiceUnavailable)
	w.fault = nil
	r = w.ask(t, http.MethodPost, batchRevoke, `{"owner":"acme","count":2}`)
	if want(t, "again", r, http.StatusConflict); !strings.Contains(r.text, fmt.Sprintf("There are %d such keys", 0)) {
		t.Errorf("it is told %s", r.text)
	}
}
