package keyservice_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
)

func TestBodiesThatAreNone(t *testing.T) {
	attack.Case(t, "ADMIN-09", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		for range 1 << 10 {
			_, err := z.Write(make([]byte, 1<<10))
			must(t, err)
		}
		must(t, z.Close())
		for name, tt := range map[string]struct {
			body   string
			fields []string
			status int
		}{
			"65 KiB":                {`{"name":"` + strings.Repeat("a", 65<<10) + `"}`, nil, 413},
			"depth 100":             {strings.Repeat(`{"metadata":`, 100) + "1" + strings.Repeat("}", 100), nil, 400},
			"depth 10000 of arrays": {`{"scopes":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + "}", nil, 400},
			"something behind":      {`{} {}`, nil, 400},
			"a brace behind":        {`{}}`, nil, 400},
			"cut":                   {`{"name":"a"`, nil, 400},
			"empty":                 {``, nil, 400},
			"an array":              {`[]`, nil, 400},
			"a text":                {`"a"`, nil, 400},
			"not UTF-8":             {"{\"name\":\"\xff\"}", nil, 400},
			"a comment":             {`{/* */}`, nil, 400},
			"a byte order mark":     {"\ufeff{}", nil, 400},
			"gzip":                  {zipped.String(), []string{"Content-Encoding", "gzip"}, 415},
			"gzip, unsaid":          {zipped.String(), nil, 400},
			"a form":                {`name=a`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
			"text":                  {`{}`, []string{"Content-Type", "text/plain"}, 415},
			"no type":               {`{}`, []string{"Content-Type", ""}, 415},
			"a number beyond":       {`{"limits":[{"name":"a","count":99999999999999999999,"per":"1m"}]}`, nil, 400},
			"a number as 1e3":       {`{"limits":[{"name":"a","count":1e3,"per":"1m"}]}`, nil, 400},
		} {
			r := w.ask(t, http.MethodPost, "/v1/keys", tt.body, tt.fields...)
			want(t, name, r, tt.status)
		}
		if w.count(t) != 0 {
			t.Errorf("%d keys were made", w.count(t))
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		deep, long := strings.Repeat(`{"metadata":`, 5000)+"1"+strings.Repeat("}", 5000), `{"name":"`+strings.Repeat("a", 1<<20)+`"}`
		const rounds = 100
		for range rounds {
			want(t, "zipped", w.ask(t, http.MethodPost, "/v1/keys", zipped.String(), "Content-Encoding", "gzip"), http.StatusUnsupportedMediaType)
			want(t, "deep", w.ask(t, http.MethodPost, "/v1/keys", deep[:60<<10]), http.StatusBadRequest)
			want(t, "long", w.ask(t, http.MethodPost, "/v1/keys", long), http.StatusRequestEntityTooLarge)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
			t.Errorf("the heap has grown by %d bytes", grown)
		}
		// What one of each takes while it is judged, with what sends it: two copies of 1 MiB.
		if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 4<<20 {
			t.Errorf("a round of them takes %d bytes", each)
		}
	})
}
