package keyservice_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
)

func TestMembersThatAreNotTheClients(t *testing.T) {
	attack.Case(t, "ADMIN-05", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		for _, tt := range []struct{ method, path, body, fields string }{
			{"POST", "/v1/keys", `{"id":"AAAAAAAAAAAA"}`, "id"},
			{"POST", "/v1/keys", `{"name":"a","role":"owner","created":"2020-01-01T00:00:00Z","revision":1,"state":"active"}`, "role created revision state"},
			{"POST", "/v1/keys", `{"Name":"a"}`, "Name"},
			{"POST", "/v1/keys", `{"limits":[{"name":"a","count":1,"per":"1m","x":1}]}`, "limits[0].x"},
			{"POST", "/v1/keys", `{"name":"a","name":"b"}`, "name"},
			{"POST", "/v1/keys", `{"metadata":{"a":"1","a":"2"}}`, "metadata.a"},
			{"POST", "/v1/keys", `{"name":null,"scopes":null,"metadata":null}`, "name scopes metadata"},
			{"POST", "/v1/keys", `{"name":1,"scopes":"a","never_expires":"yes","limits":[{"name":"a","count":"1","per":1}]}`, "name scopes never_expires limits[0].count limits[0].per"},
			{"POST", "/v1/keys", `{"limits":[{"name":"a","count":1.5,"per":"1m"}]}`, "limits[0].count"},
			{"POST", "/v1/keys", `{"wrd_live_7HqLk2mVxWcPaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":1}`, "(a name that is not repeated here)"},
			{"POST", "/v1/keys?role=owner", `{}`, "role"},
			{"PATCH", "/v1/keys/AAAAAAAAAAAA", `{"kind":"public","environment":"test","revoked":null}`, "kind environment revoked"},
			{"POST", "/v1/keys/AAAAAAAAAAAA:disable", `{"reason":"x"}`, "body"},
			{"GET", "/v1/keys?limit=1&limit=2", ``, "limit"},
		} {
			body := any(tt.body)
			if tt.body == "" {
				body = nil
			}
			r := w.ask(t, tt.method, tt.path, body, "If-Match", "*")
			if want(t, tt.path+" "+tt.body, r, http.StatusBadRequest); r.status != http.StatusBadRequest {
				continue
			}
			got := r.fields(t)
			slices.Sort(got)
			wanted := strings.Split(tt.fields, " ")
			if strings.HasPrefix(tt.fields, "(") {
				wanted = []string{tt.fields}
			}
			slices.Sort(wanted)
			if !slices.Equal(got, wanted) {
				t.Errorf("%s %s: names %q, want %q", tt.path, tt.body, got, wanted)
			}
		}
		if w.count(t) != 0 {
			t.Errorf("%d keys were made", w.count(t))
		}
	})
}
