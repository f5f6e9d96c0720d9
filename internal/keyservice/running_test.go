package keyservice_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/ratelimit"
)

// A node has one limit, which counts by key, and one document, which waits.
type node struct {
	done []string // what was changed
}

func (*node) Limits() []keyservice.RunningLimit {
	return []keyservice.RunningLimit{{Name: "per-key", By: []string{"key"}, Count: 5, Per: "1m0s", Burst: 5}}
}

func (*node) limit(name string) error {
	if name != "per-key" {
		return keyservice.ErrNoLimit
	}
	return nil
}

func (n *node) Refused(limit string, most int) ([]keyservice.RefusedSubject, error) {
	all := []keyservice.RefusedSubject{{Subject: "00000000000000aa", Times: 2}, {Subject: "00000000000000bb", Times: 1}}
	return all[:min(most, len(all))], n.limit(limit)
}

func (n *node) Standing(limit string, s keyservice.LimitSubject) (keyservice.SubjectStanding, error) {
	if err := n.limit(limit); err != nil {
		return keyservice.SubjectStanding{}, err
	}
	if s.Subject == "" && (len(s.Parts) != 1 || s.Parts["key"] == "") {
		return keyservice.SubjectStanding{}, &keyservice.FieldError{Field: "parts", Message: "want key"}
	}
	return keyservice.SubjectStanding{Subject: "00000000000000aa", Left: 5}, nil
}

func (n *node) Reset(_ context.Context, limit string, s keyservice.LimitSubject, note func(keyservice.Operated) error) (keyservice.SubjectStanding, error) {
	return n.change("reset", limit, s, note)
}

func (n *node) Override(limit string, s keyservice.LimitSubject, _ ratelimit.Quota, _ time.Time, note func(keyservice.Operated) error) (keyservice.SubjectStanding, error) {
	return n.change("override", limit, s, note)
}

func (n *node) change(what, limit string, s keyservice.LimitSubject, note func(keyservice.Operated) error) (keyservice.SubjectStanding, error) {
	at, err := n.Standing(limit, s)
	if err != nil {
		return at, err
	}
	if err := note(keyservice.Operated{Subject: at.Subject, Parts: s.Parts}); err != nil {
		return at, err
	}
	n.done = append(n.done, what)
	return at, nil
}

func (*node) Drift() []keyservice.DocumentDrift {
	return []keyservice.DocumentDrift{{Name: "orders", NeverSeen: []string{}, Invalid: []keyservice.DocumentCounts{}, Undeclared: []keyservice.DocumentCounts{}}}
}

func (n *node) Confirm(document string, note func(keyservice.Operated) error) ([]string, error) {
	switch document {
	case "orders":
	case "same":
		return nil, keyservice.ErrNotHeld
	default:
		return nil, keyservice.ErrNoDocument
	}
	less := []string{"GET /orders asks for less security"}
	if err := note(keyservice.Operated{Less: less}); err != nil {
		return nil, err
	}
	n.done = append(n.done, "confirm")
	return less, nil
}

func (*node) Shadow() (keyservice.ShadowReport, bool) { return keyservice.ShadowReport{}, false }

// What runs is changed as keys are: by who may, strictly, and not without its entry.
func TestWhatRuns(t *testing.T) {
	n, log := new(node), new(audit.MemoryStore)
	w := newWorld(t, func(cfg *keyservice.Config) { cfg.Running, cfg.Record = n, log })
	const limit = "/v1/limits/per-key"
	t.Run("it is told", func(t *testing.T) {
		for path, part := range map[string]string{
			"/v1/limits": `"name":"per-key"`, limit + "/top?n=1": `"times":2}]`, "/v1/openapi/drift": `"name":"orders"`,
		} {
			if r := w.ask(t, http.MethodGet, path, nil); r.status != http.StatusOK || !strings.Contains(r.text, part) && !strings.Contains(r.text, `"times":2,`) {
				t.Errorf("%s: %d %s", path, r.status, r.text)
			}
		}
		want(t, "no shadow", w.ask(t, http.MethodGet, "/v1/shadow", nil), http.StatusConflict)
		want(t, "standing", w.ask(t, http.MethodPost, limit+":standing", `{"parts":{"key":"a"}}`), http.StatusOK)
	})
	t.Run("what is not taken changes nothing", func(t *testing.T) {
		for _, tt := range []struct {
			path, body string
			status     int
			field      string
		}{
			{limit + ":reset", `{"parts":{"key":"a"}} {}`, 400, "body"},
			{limit + ":reset", `{"parts":{"key":"a"},"count":1}`, 400, "count"},
			{limit + ":reset", `{"parts":{"key":"a"},"Parts":{}}`, 400, "Parts"},
			{limit + ":reset", `{"parts":{"key":"a","key":"b"}}`, 400, "parts.key"},
			{limit + ":reset", `{"parts":{"key":"a\u202eb"}}`, 400, "parts"},
			{limit + ":reset", `{"parts":{"key":"` + strings.Repeat("a", 1025) + `"}}`, 400, "parts"},
			{limit + ":reset", `{"parts":{"key":"a"},"subject":"00000000000000aa"}`, 400, "subject"},
			{limit + ":reset", `{"subject":"aa"}`, 400, "subject"},
			{limit + ":reset", `{}`, 400, "parts"},
			{limit + ":reset", ``, 415, ""},
			{"/v1/limits/other:reset", `{"parts":{"key":"a"}}`, 404, ""},
			{limit + ":override", `{"parts":{"key":"a"}}`, 400, "count"},
			{limit + ":override", `{"parts":{"key":"a"},"count":-1}`, 400, "count"},
			{limit + ":override", `{"parts":{"key":"a"},"count":1}`, 400, "per"},
			{limit + ":override", `{"parts":{"key":"a"},"count":1,"per":"soon"}`, 400, "per"},
			{limit + ":override", `{"parts":{"key":"a"},"count":1,"per":"1m","for":"0s"}`, 400, "for"},
			{limit + ":override", `{"parts":{"key":"a"},"count":0,"for":"1m"}`, 400, "for"},
			{"/v1/openapi/orders:confirm", `{}`, 400, "body"},
			{"/v1/openapi/other:confirm", ``, 404, ""},
			{"/v1/openapi/same:confirm", ``, 409, ""},
		} {
			body := any(tt.body)
			if tt.body == "" {
				body = nil
			}
			r := w.ask(t, http.MethodPost, tt.path, body)
			if want(t, tt.path+" "+tt.body, r, tt.status); tt.field != "" && r.status == tt.status && !slices.Contains(r.fields(t), tt.field) {
				t.Errorf("%s %s names %s, want %s", tt.path, tt.body, r.text, tt.field)
			}
		}
		forever := w.ask(t, http.MethodPost, limit+":override", `{"parts":{"key":"a"},"count":1,"per":"1m","for":"forever"}`)
		if want(t, "forever", forever, http.StatusBadRequest); len(forever.fields(t)) != 1 {
			t.Errorf("one fault is told as %s", forever.text)
		}
		want(t, "as text", w.ask(t, http.MethodPost, limit+":reset", `{"parts":{"key":"a"}}`, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType)
		for _, who := range []string{"developer", "auditor", "admin:acme"} {
			want(t, who, w.ask(t, http.MethodPost, limit+":reset", `{"parts":{"key":"a"}}`, "X-Person", who), http.StatusForbidden)
		}
		want(t, "a page of another site", w.ask(t, http.MethodPost, limit+":reset", `{"parts":{"key":"a"}}`, "X-Person", "owner", "X-Ambient", "1", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
		if head, err := log.Head(t.Context()); err != nil || head.Seq != 0 || len(n.done) != 0 {
			t.Errorf("%d entries (%v), and %q was done", head.Seq, err, n.done)
		}
	})
	t.Run("it leaves an entry", func(t *testing.T) {
		want(t, "reset", w.ask(t, http.MethodPost, limit+":reset", `{"parts":{"key":"a"}}`, "X-Person", "admin"), http.StatusOK)
		want(t, "override", w.ask(t, http.MethodPost, limit+":override", `{"parts":{"key":"a"},"count":9,"per":"1m","for":"1h"}`), http.StatusOK)
		want(t, "confirm", w.ask(t, http.MethodPost, "/v1/openapi/orders:confirm", nil), http.StatusOK)
		entries, err := log.List(t.Context(), audit.Query{Limit: 10})
		must(t, err)
		var got []string
		for i := range entries {
			e := &entries[i]
			got = append(got, strings.Join([]string{e.Actor, e.Source, e.Op, e.Kind, e.Subject, string(e.After)}, " "))
		}
		if wanted := []string{
			`account:` + personID("admin") + ` 127.0.0.1 reset limit per-key {"subject":"00000000000000aa","parts":{"key":"a"}}`,
			`admin-token 127.0.0.1 override limit per-key {"subject":"00000000000000aa","parts":{"key":"a"}}`,
			`admin-token 127.0.0.1 confirm document orders {"less":["GET /orders asks for less security"]}`,
		}; !slices.Equal(got, wanted) {
			t.Errorf("the log has %q, want %q", got, wanted)
		}
	})
	t.Run("without a log nothing is changed", func(t *testing.T) {
		n := new(node)
		w := newWorld(t, func(cfg *keyservice.Config) { cfg.Running, cfg.Record = n, nil })
		want(t, "reset", w.ask(t, http.MethodPost, limit+":reset", `{"parts":{"key":"a"}}`), http.StatusServiceUnavailable)
		want(t, "confirm", w.ask(t, http.MethodPost, "/v1/openapi/orders:confirm", nil), http.StatusServiceUnavailable)
		if len(n.done) != 0 {
			t.Errorf("%q was done", n.done)
		}
	})
}
