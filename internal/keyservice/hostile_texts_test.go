package keyservice_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/hostile"
	"github.com/warder-dev/warder/internal/keyservice"
)

func TestHostileTexts(t *testing.T) {
	w := newWorld(t)
	k := w.made(t, keyservice.KeySpec{Name: "first"}).Key
	texts := slices.Concat(hostile.Statements(), hostile.Templates())
	slices.Sort(texts)
	texts = slices.Compact(texts)
	attack.Case(t, "SQL-01", attack.Admin, func(t *testing.T) {
		before := w.count(t)
		for _, text := range texts {
			var made keyservice.KeyMade
			r := w.ask(t, http.MethodPost, "/v1/keys", map[string]any{"name": text, "owner": text, "metadata": map[string]string{"note": text}})
			if strings.Contains(text, "\n") { // a text of one line is wanted
				want(t, text, r, http.StatusBadRequest)
				continue
			}
			if want(t, text, r, http.StatusCreated); r.status != http.StatusCreated {
				continue
			}
			before++
			if r.json(t, &made); made.Key.Name != text || made.Key.Owner != text || made.Key.Metadata["note"] != text {
				t.Errorf("%q was made %+v", text, made.Key)
			}
			var page keyservice.KeyPage
			r = w.ask(t, http.MethodGet, "/v1/keys?owner="+escape(text)+"&text="+escape(text), nil)
			if r.json(t, &page); r.status != http.StatusOK || len(page.Keys) != 1 || page.Keys[0].ID != made.Key.ID {
				t.Errorf("%q finds %d keys: %d %s", text, len(page.Keys), r.status, r.text)
			}
			for _, body := range []map[string]any{
				{"scopes": []string{text}},
				{"environment": text},
				{"kind": text},
				{"expires": text},
				{"certificate": text},
				{"addresses": []string{text}},
				{"methods": []string{text}},
				{"paths": []string{text}},
				{"origins": []string{text}},
				{"plan": text},
				{"idle_revoke": text},
				{"limits": []map[string]any{{"name": text, "count": 1, "per": "1m"}}},
			} {
				r := w.ask(t, http.MethodPost, "/v1/keys", body)
				if r.status == http.StatusCreated { // a plan or a scope like any other
					before++
				} else if want(t, fmt.Sprint(body), r, http.StatusBadRequest); r.status == http.StatusBadRequest && len(r.fields(t)) == 0 {
					t.Errorf("%v: no field is named: %s", body, r.text)
				}
			}
			for _, r := range []*reply{
				w.ask(t, http.MethodGet, "/v1/keys/"+escape(text), nil),
				w.ask(t, http.MethodPost, "/v1/keys/"+escape(text)+":revoke", `{}`),
				w.ask(t, http.MethodGet, "/v1/credits?key="+escape(text), nil),
				w.ask(t, http.MethodGet, "/v1/credits?owner="+escape(text), nil),
				w.ask(t, http.MethodPost, "/v1/credits:set", map[string]any{"key": text, "credits": 1}),
				w.ask(t, http.MethodPost, "/v1/keys:search", map[string]any{"text": text}),
				w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]any{"key": "x", "target": "x" + text}),
				w.ask(t, http.MethodPost, "/v1/keys/"+k.ID+":revoke", map[string]any{"reason": "A" + text}),
				w.ask(t, http.MethodPost, "/v1/keys/"+k.ID+":roll", map[string]any{"overlap": text}),
				w.ask(t, http.MethodPatch, "/v1/keys/"+k.ID, `{}`, "If-Match", text),
				w.ask(t, http.MethodGet, "/v1/keys?cursor="+escape(text), nil),
				w.ask(t, http.MethodGet, "/v1/keys?"+escape(text)+"=1", nil),
			} {
				if r.status < 400 || r.status >= 500 {
					t.Errorf("%q: %d %s, want 4xx", text, r.status, r.text)
				}
			}
		}
		if w.count(t) != before {
			t.Errorf("%d keys, want %d", w.count(t), before)
		}
		var one keyservice.KeyBody
		w.ask(t, http.MethodGet, "/v1/keys/"+k.ID, nil).json(t, &one)
		if one.Key.State != "active" || one.Key.Revision != k.Revision {
			t.Errorf("the first key was changed: %+v", one.Key)
		}
	})
	attack.Case(t, "SQL-06", attack.Admin, func(t *testing.T) {
		before := w.count(t)
		long, bidi := strings.Repeat("a", 1<<20), "a\u202eb"
		for name, tt := range map[string]struct {
			body   any
			field  string
			status int
		}{
			"1 MiB":             {map[string]string{"name": long}, "", 413},
			"129 bytes":         {map[string]string{"name": long[:129]}, "name", 400},
			"129 bytes in less": {map[string]string{"name": strings.Repeat("ä", 65)}, "name", 400},
			"NUL":               {`{"name":"a\u0000b"}`, "name", 400},
			"a raw NUL":         {"{\"name\":\"a\x00b\"}", "body", 400},
			"text direction":    {map[string]string{"owner": bidi}, "owner", 400},
			"a line":            {map[string]string{"name": "a\nb"}, "name", 400},
			"half a surrogate":  {`{"owner":"\ud800\u0000"}`, "owner", 400},
			"a long scope":      {map[string]any{"scopes": []string{long[:60000]}}, "scopes", 400},
			"many scopes":       {map[string]any{"scopes": strings.Split(long[:101], "")}, "scopes", 400},
			"a note":            {map[string]any{"metadata": map[string]string{"a": long[:513]}}, "metadata", 400},
			"a note's name":     {map[string]any{"metadata": map[string]string{bidi: "x"}}, "metadata", 400},
			"long ago":          {map[string]string{"expires": "0001-01-01T00:00:00Z"}, "expires", 400},
			"the past":          {map[string]string{"expires": time.Now().Add(-time.Hour).Format(time.RFC3339)}, "expires", 400},
		} {
			r := w.ask(t, http.MethodPost, "/v1/keys", tt.body)
			if want(t, name, r, tt.status); tt.field != "" && r.status == tt.status && !slices.Contains(r.fields(t), tt.field) {
				t.Errorf("%s: %s, want the field %s", name, r.text, tt.field)
			}
		}
		for _, path := range []string{"/v1/keys?text=%00", "/v1/keys?owner=%ff", "/v1/keys?text=" + strings.Repeat("a", 129), "/v1/keys?text=%zz"} {
			want(t, path, w.ask(t, http.MethodGet, path, nil), http.StatusBadRequest)
		}
		if w.count(t) != before {
			t.Errorf("%d keys, want %d", w.count(t), before)
		}
	})
}
