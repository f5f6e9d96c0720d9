package keyservice_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
)

func TestStates(t *testing.T) {
	attack.Case(t, "ADMIN-07", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		k := w.made(t, keyservice.KeySpec{Name: "a"}).Key
		path, stale := "/v1/keys/"+k.ID, quote(k.Revision)
		want(t, "without If-Match", w.ask(t, http.MethodPatch, path, `{"name":"b"}`), http.StatusPreconditionRequired)
		want(t, "in time", w.ask(t, http.MethodPatch, path, `{"name":"b"}`, "If-Match", stale), http.StatusOK)
		for _, tag := range []string{stale, "W/" + quote(k.Revision+1), `"x"`, quote(k.Revision + 9), "2", `"`} {
			want(t, "with "+tag, w.ask(t, http.MethodPatch, path, `{"name":"c"}`, "If-Match", tag), http.StatusPreconditionFailed)
		}
		for _, verb := range []string{":roll", ":revoke", ":disable", ":enable", ":endOverlap", ""} {
			method, body := http.MethodPost, any(nil)
			if verb == "" {
				method = http.MethodDelete
			}
			if verb == ":roll" || verb == ":revoke" {
				body = "{}"
			}
			want(t, "stale "+verb, w.ask(t, method, path+verb, body, "If-Match", stale), http.StatusPreconditionFailed)
		}
		var one keyservice.KeyBody
		w.ask(t, http.MethodGet, path, nil).json(t, &one)
		if one.Key.Name != "b" || one.Key.State != "active" {
			t.Errorf("the key is %+v", one.Key)
		}
		want(t, "a list of tags", w.ask(t, http.MethodPatch, path, `{"name":"d"}`, "If-Match", `"7", `+quote(one.Key.Revision)), http.StatusOK)
		var won sync.Map
		var all sync.WaitGroup
		w.ask(t, http.MethodGet, path, nil).json(t, &one)
		for i := range 8 {
			all.Go(func() {
				if r := w.ask(t, http.MethodPatch, path, fmt.Sprintf(`{"name":"n%d"}`, i), "If-Match", quote(one.Key.Revision)); r.status == http.StatusOK {
					won.Store(i, true)
				} else if r.status != http.StatusPreconditionFailed {
					t.Errorf("%d %s", r.status, r.text)
				}
			})
		}
		all.Wait()
		n := 0
		won.Range(func(any, any) bool { n++; return true })
		if n != 1 {
			t.Errorf("%d of 8 changes of one state were made", n)
		}
	})
}
