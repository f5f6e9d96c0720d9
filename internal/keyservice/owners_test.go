package keyservice_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/keyservice"
)

const record = "/v1/owners/record?owner="

// owned is the record in an answer.
func owned(t *testing.T, r *reply) keyservice.Owner {
	t.Helper()
	var body keyservice.OwnerBody
	r.json(t, &body)
	if r.header.Get("ETag") != quote(body.Owner.Revision) {
		t.Errorf("the ETag of revision %d is %s", body.Owner.Revision, r.header.Get("ETag"))
	}
	return body.Owner
}

func TestTheLifeOfARecord(t *testing.T) {
	w := newWorld(t)
	at := record + "acme"
	want(t, "none", w.ask(t, http.MethodGet, at, nil), http.StatusNotFound)
	want(t, "none to delete", w.ask(t, http.MethodDelete, at, nil), http.StatusNotFound)
	want(t, "none to replace", w.ask(t, http.MethodPut, at, `{}`, "If-Match", "*"), http.StatusPreconditionFailed)
	made := w.ask(t, http.MethodPut, at, `{"name":"Acme Ltd","metadata":{"account":"4711"}}`)
	want(t, "put", made, http.StatusCreated)
	first := owned(t, made)
	if first.ID != "acme" || first.Name != "Acme Ltd" || first.Metadata["account"] != "4711" || first.Created.IsZero() || first.Updated != nil {
		t.Errorf("made is %+v", first)
	}
	got := owned(t, w.ask(t, http.MethodGet, at, nil))
	if got.Name != first.Name || got.Revision != first.Revision {
		t.Errorf("kept is %+v, want %+v", got, first)
	}
	want(t, "unseen", w.ask(t, http.MethodPut, at, `{}`), http.StatusPreconditionRequired)
	want(t, "stale", w.ask(t, http.MethodPut, at, `{}`, "If-Match", quote(first.Revision+1)), http.StatusPreconditionFailed)
	again := w.ask(t, http.MethodPut, at, `{"name":"Acme Ltd","metadata":{"account":"4711"}}`, "If-Match", quote(first.Revision))
	if want(t, "the same", again, http.StatusOK); owned(t, again).Revision != first.Revision {
		t.Errorf("to say the same is a change: %s", again.text)
	}
	changed := w.ask(t, http.MethodPut, at, `{"name":"Acme"}`, "If-Match", quote(first.Revision))
	want(t, "changed", changed, http.StatusOK)
	second := owned(t, changed)
	if second.Name != "Acme" || second.Metadata != nil || second.Updated == nil || !second.Created.Equal(first.Created) || second.Revision <= first.Revision {
		t.Errorf("%+v became %+v", first, second)
	}
	want(t, "whatever there is", w.ask(t, http.MethodPut, at, `{"name":"Acme 2"}`, "If-Match", "*"), http.StatusOK)

	for range 2 {
		w.made(t, keyservice.KeySpec{Owner: "acme"})
	}
	keys := w.count(t)
	want(t, "stale", w.ask(t, http.MethodDelete, at, nil, "If-Match", quote(second.Revision)), http.StatusPreconditionFailed)
	r := w.ask(t, http.MethodDelete, at, nil)
	want(t, "delete", r, http.StatusOK)
	var deleted keyservice.OwnerDeleted
	r.json(t, &deleted)
	if deleted != (keyservice.OwnerDeleted{ID: "acme", Keys: 2}) || w.count(t) != keys {
		t.Errorf("deleted is %+v, and %d keys are left of %d", deleted, w.count(t), keys)
	}
	want(t, "deleted", w.ask(t, http.MethodGet, at, nil), http.StatusNotFound)
}

// An id is a text: whatever a key can bear has its record.
func TestIDsOfOwnersAreTexts(t *testing.T) {
	w := newWorld(t)
	ids := []string{"a/b", "..", ".", "a b", "ä", "a:roll", "%2F", "a?b=c&d", "o'neil; --", "a+b", strings.Repeat("x", 128)}
	for _, id := range ids {
		if o := owned(t, w.ask(t, http.MethodPut, record+escape(id), map[string]string{"name": id})); o.ID != id || o.Name != id {
			t.Errorf("%q became %+v", id, o)
		}
		if o := owned(t, w.ask(t, http.MethodGet, record+escape(id), nil)); o.ID != id {
			t.Errorf("%q is %+v", id, o)
		}
		w.made(t, keyservice.KeySpec{Owner: id})
	}
	slices.Sort(ids)
	var got []string
	for path := "/v1/owners?limit=4"; ; {
		var page keyservice.OwnerPage
		w.ask(t, http.MethodGet, path, nil).json(t, &page)
		for _, o := range page.Owners {
			got = append(got, o.ID)
		}
		if page.Next == "" {
			break
		}
		path = "/v1/owners?limit=4&cursor=" + page.Next
	}
	if !slices.Equal(got, ids) {
		t.Errorf("the pages have %q, want %q", got, ids)
	}
	var page keyservice.OwnerPage
	w.ask(t, http.MethodGet, "/v1/owners?text=O%27N", nil).json(t, &page)
	if len(page.Owners) != 1 || page.Owners[0].ID != "o'neil; --" {
		t.Errorf("a text finds %+v", page)
	}
}

func TestRecordsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	key := w.made(t, keyservice.KeySpec{}).Text
	for _, tt := range []struct{ path, body, field string }{
		{"/v1/owners/record", `{}`, "owner"},
		{record, `{}`, "owner"},
		{record + strings.Repeat("x", 129), `{}`, "owner"},
		{record + escape(strings.Repeat("ä", 65)), `{}`, "owner"},
		{record + "a%0Ab", `{}`, "owner"},
		{record + "%E2%80%AEa", `{}`, "owner"},
		{record + "a%00", `{}`, "owner"},
		{record + "%FF", `{}`, "owner"},
		{record + key, `{}`, "owner"},
		{record + "a&owner=b", `{}`, "owner"},
		{record + "a&name=b", `{}`, "name"},
		{record + "a", `{"name":"` + key + `"}`, "name"},
		{record + "a", `{"name":"\u0000"}`, "name"},
		{record + "a", `{"name":1}`, "name"},
		{record + "a", `{"metadata":{"a":"` + key + `"}}`, "metadata"},
		{record + "a", `{"metadata":{"a":1}}`, "metadata.a"},
		{record + "a", `{"metadata":{"":"b"}}`, "metadata"},
		{record + "a", `{"id":"b"}`, "id"},
	} {
		r := w.ask(t, http.MethodPut, tt.path, tt.body)
		if want(t, tt.path+" "+tt.body, r, http.StatusBadRequest); !slices.Contains(r.fields(t), tt.field) {
			t.Errorf("%s %s: %s names no %s", tt.path, tt.body, r.text, tt.field)
		}
		if strings.Contains(r.text, key) {
			t.Errorf("the answer repeats a key: %s", r.text)
		}
	}
	var page keyservice.OwnerPage
	w.ask(t, http.MethodGet, "/v1/owners?limit=1", nil).json(t, &page)
	if len(page.Owners) != 0 {
		t.Errorf("there are %+v", page.Owners)
	}
	for _, path := range []string{"/v1/owners?limit=0", "/v1/owners?limit=1001", "/v1/owners?cursor=AQAB", "/v1/owners?owner=a"} {
		want(t, path, w.ask(t, http.MethodGet, path, nil), http.StatusBadRequest)
	}
}

// Who is bound to an owner reads that owner's record and no other, and writes none.
func TestRecordsOfWhoIsBound(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"acme", "globex"} {
		want(t, id, w.ask(t, http.MethodPut, record+id, `{"name":"the canary"}`), http.StatusCreated)
	}
	acme := []string{"X-Person", "owner:acme"}
	var page keyservice.OwnerPage
	for path, n := range map[string]int{"/v1/owners": 1, "/v1/owners?text=canary": 1, "/v1/owners?text=globex": 0} {
		r := w.ask(t, http.MethodGet, path, nil, acme...)
		r.json(t, &page)
		if len(page.Owners) != n || strings.Contains(r.text, "globex") || page.Next != "" {
			t.Errorf("%s: %s", path, r.text)
		}
	}
	want(t, "its own", w.ask(t, http.MethodGet, record+"acme", nil, acme...), http.StatusOK)
	theirs, none := w.ask(t, http.MethodGet, record+"globex", nil, acme...), w.ask(t, http.MethodGet, record+"nobody", nil, acme...)
	if theirs.status != http.StatusNotFound || theirs.text != none.text {
		t.Errorf("another's record: %d %s, want what there is of none: %s", theirs.status, theirs.text, none.text)
	}
	for _, id := range []string{"acme", "globex", "nobody"} {
		want(t, "put "+id, w.ask(t, http.MethodPut, record+id, `{}`, append(acme, "If-Match", "*")...), http.StatusForbidden)
		want(t, "delete "+id, w.ask(t, http.MethodDelete, record+id, nil, acme...), http.StatusForbidden)
	}
	want(t, "none", w.ask(t, http.MethodGet, record+"initech", nil, "X-Person", "admin:initech"), http.StatusNotFound)
	w.ask(t, http.MethodGet, "/v1/owners", nil, "X-Person", "admin:initech").json(t, &page)
	if len(page.Owners) != 0 {
		t.Errorf("an owner without a record sees %+v", page.Owners)
	}
	// A page of somebody else's list is no page of one's own.
	w.ask(t, http.MethodGet, "/v1/owners?limit=1", nil).json(t, &page)
	want(t, "another's cursor", w.ask(t, http.MethodGet, "/v1/owners?limit=1&cursor="+page.Next, nil, acme...), http.StatusBadRequest)
	want(t, "another text", w.ask(t, http.MethodGet, "/v1/owners?limit=1&text=a&cursor="+page.Next, nil), http.StatusBadRequest)
}

// A key that is looked at comes with the name of its owner, and costs one question more,
// however many there are.
func TestKeysWithTheNamesOfTheirOwners(t *testing.T) {
	owners := &askedOwners{MemoryOwners: new(apikey.MemoryOwners)}
	w := newWorldOf(t, nil, func(cfg *keyservice.Config) { cfg.Owners = owners })
	for _, id := range []string{"acme", "globex", "nameless"} {
		name := strings.ToUpper(id)
		if id == "nameless" {
			name = ""
		}
		want(t, id, w.ask(t, http.MethodPut, record+id, map[string]string{"name": name}), http.StatusCreated)
	}
	var one keyservice.KeyMade
	for _, owner := range []string{"acme", "globex", "acme", "nameless", "nobody", ""} {
		one = w.made(t, keyservice.KeySpec{Owner: owner})
	}
	list := func(asks int, fields ...string) (names []string) {
		t.Helper()
		var page keyservice.KeyPage
		owners.asks = 0
		w.ask(t, http.MethodGet, "/v1/keys", nil, fields...).json(t, &page)
		for _, k := range page.Keys {
			names = append(names, k.Owner+" "+k.OwnerName)
		}
		slices.Sort(names)
		if owners.asks != asks {
			t.Errorf("a page of %d keys asks %d times for names, want %d", len(page.Keys), owners.asks, asks)
		}
		return names
	}
	if got, all := list(1), []string{" ", "acme ACME", "acme ACME", "globex GLOBEX", "nameless ", "nobody "}; !slices.Equal(got, all) {
		t.Errorf("the list has %q, want %q", got, all)
	}
	if got, own := list(1, "X-Person", "auditor:globex"), []string{"globex GLOBEX"}; !slices.Equal(got, own) {
		t.Errorf("globex sees %q, want %q", got, own)
	}
	if got := list(0, "X-Person", "auditor:initech"); len(got) != 0 {
		t.Errorf("initech sees %q", got)
	}
	var body keyservice.KeyBody
	named := w.made(t, keyservice.KeySpec{Owner: "acme"})
	for what, r := range map[string]*reply{
		"get":    w.ask(t, http.MethodGet, "/v1/keys/"+named.Key.ID, nil),
		"search": w.ask(t, http.MethodPost, "/v1/keys:search", map[string]string{"text": named.Text}),
	} {
		body = keyservice.KeyBody{}
		if r.json(t, &body); body.Key.OwnerName != "ACME" {
			t.Errorf("%s: the owner's name is %q", what, body.Key.OwnerName)
		}
	}
	body, owners.asks = keyservice.KeyBody{}, 0
	if w.ask(t, http.MethodGet, "/v1/keys/"+one.Key.ID, nil).json(t, &body); body.Key.OwnerName != "" || owners.asks != 0 {
		t.Errorf("a key of nobody is of %q, after %d questions", body.Key.OwnerName, owners.asks)
	}
	owners.fault = errDown
	for _, path := range []string{"/v1/keys", "/v1/keys/" + named.Key.ID} {
		want(t, path, w.ask(t, http.MethodGet, path, nil), http.StatusServiceUnavailable)
	}
}

// askedOwners counts how often names are asked for.
type askedOwners struct {
	*apikey.MemoryOwners

	asks  int
	fault error
}

func (o *askedOwners) Names(ctx context.Context, ids []string) (map[string]string, error) {
	o.asks++
	names, err := o.MemoryOwners.Names(ctx, ids)
	return names, errors.Join(err, o.fault)
}

// What was done once is answered the same, with the status that it had.
func TestRecordsOnceAndNeverAgain(t *testing.T) {
	w := newWorld(t)
	marked := []string{"Idempotency-Key", "o-1"}
	first := w.ask(t, http.MethodPut, record+"acme", `{"name":"a"}`, marked...)
	again := w.ask(t, http.MethodPut, record+"acme", `{"name":"a"}`, marked...)
	if want(t, "first", first, http.StatusCreated); again.status != http.StatusCreated || again.text != first.text || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: %d %s, want %s", again.status, again.text, first.text)
	}
	want(t, "another record", w.ask(t, http.MethodPut, record+"globex", `{"name":"a"}`, marked...), http.StatusUnprocessableEntity)
	want(t, "refused", w.ask(t, http.MethodPut, record+"acme", `{"name":"b"}`, "Idempotency-Key", "o-2"), http.StatusPreconditionRequired)
	gone := w.ask(t, http.MethodDelete, record+"acme", nil, "Idempotency-Key", "o-3")
	if replay := w.ask(t, http.MethodDelete, record+"acme", nil, "Idempotency-Key", "o-3"); gone.status != http.StatusOK || replay.status != http.StatusOK || replay.text != gone.text {
		t.Errorf("deleted: %d %s, again: %d %s", gone.status, gone.text, replay.status, replay.text)
	}
}

// downOwners is a store that gives no answer.
type downOwners struct{ apikey.OwnerStore }

func (downOwners) Lookup(context.Context, string) (apikey.Owner, error) {
	return apikey.Owner{}, errDown
}

func (downOwners) Find(context.Context, apikey.OwnerFilter) (apikey.OwnerPage, error) {
	return apikey.OwnerPage{}, errDown
}

func TestRecordsWithoutAnAnswer(t *testing.T) {
	for name, w := range map[string]*world{
		"a store that is down":    newWorldOf(t, nil, func(cfg *keyservice.Config) { cfg.Owners = downOwners{} }),
		"nothing that keeps them": newWorldOf(t, nil, func(cfg *keyservice.Config) { cfg.Owners = nil }),
	} {
		for _, r := range []*reply{
			w.ask(t, http.MethodGet, "/v1/owners", nil), w.ask(t, http.MethodGet, record+"a", nil), w.ask(t, http.MethodPut, record+"a", `{}`),
			w.ask(t, http.MethodDelete, record+"a", nil), w.ask(t, http.MethodGet, "/v1/owners", nil, "X-Person", "admin:acme"),
		} {
			if want(t, name, r, http.StatusServiceUnavailable); strings.Contains(r.text, "down") {
				t.Errorf("%s: the answer tells why: %s", name, r.text)
			}
		}
	}
}
