package main_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	main "github.com/warder-dev/warder/examples/eleven"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/hostile"
)

// A searcher searches. It works in a bubble, where no time passes but what it
// says, so that limits let it go on.
type searcher struct {
	*main.World
	key string
}

func newSearcher(t *testing.T) searcher {
	t.Helper()
	w := main.NewWorld(t)
	return searcher{w, w.Key(t, "users:read")}
}

// find returns the names of the users that a search finds.
func (w searcher) find(t *testing.T, name string) (names []string) {
	t.Helper()
	time.Sleep(time.Second) //nolint:forbidigo // no time passes in a bubble
	answer := expect(t, w.World, http.StatusOK, http.MethodGet, "/users?name="+url.QueryEscape(name), "X-API-Key: "+w.key)
	var users []struct{ Name string }
	if err := json.Unmarshal(answer.Body.Bytes(), &users); err != nil {
		t.Errorf("%s: %v", answer.Body, err)
	}
	for _, u := range users {
		names = append(names, u.Name)
	}
	return names
}

func TestNoSQLInjection(t *testing.T) {
	t.Run("what is there is found", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newSearcher(t)
			for part, want := range map[string][]string{"a": {"Ada Lovelace", "Grace Hopper"}, "O'Brien": {"Miles O'Brien"}, "'": {"Miles O'Brien"}, "not for you": nil} {
				if got := w.find(t, part); !slices.Equal(got, want) {
					t.Errorf("users with %q: %q, want %q", part, got, want)
				}
			}
		})
	})
	attack.Case(t, "SQL-01", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newSearcher(t)
			rows := w.Users(t)
			for _, text := range hostile.Statements() {
				if got := w.find(t, text); len(got) != 0 {
					t.Errorf("%q finds %q", text, got)
				}
				w.everywhere(t, text)
				if n := w.Users(t); n != rows {
					t.Fatalf("%q: %d rows, want %d", text, n, rows)
				}
			}
		})
	})
	attack.Case(t, "SQL-06", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newSearcher(t)
			for _, query := range []string{"name=%ff%fe", "name=a%00b", "name=%zz", "name=" + strings.Repeat("a", 101), "name=", "", "name=a&name=b", "name=a;b"} {
				expect(t, w.World, http.StatusBadRequest, http.MethodGet, "/users?"+query, "X-API-Key: "+w.key)
			}
			expect(t, w.World, http.StatusRequestURITooLong, http.MethodGet, "/users?name="+strings.Repeat("a", 1<<20), "X-API-Key: "+w.key)
		})
	})
	attack.Case(t, "SQL-07", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newSearcher(t)
			for _, text := range []string{"%", "_", `\`, "%a%", "A_a", "*", "[A-Z]"} {
				if got := w.find(t, text); len(got) != 0 {
					t.Errorf("%q finds %q: it is a wildcard", text, got)
				}
			}
		})
	})
}

// TestWhatIsStoredIsText: a name that was stored is used again, as it came back.
func TestWhatIsStoredIsText(t *testing.T) {
	attack.Case(t, "SQL-09", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newSearcher(t)
			for _, text := range hostile.Statements() {
				w.AddUser(t, "<"+text+">")
			}
			rows := w.Users(t)
			for _, text := range hostile.Statements() {
				stored := w.find(t, "<"+text+">")
				if !slices.Equal(stored, []string{"<" + text + ">"}) {
					t.Fatalf("%q finds %q", text, stored)
				}
				if again := w.find(t, stored[0]); !slices.Equal(again, stored) {
					t.Errorf("%q, as it came back, finds %q", text, again)
				}
			}
			if n := w.Users(t); n != rows {
				t.Errorf("%d rows, want %d", n, rows)
			}
		})
	})
}

// everywhere sends text in the other places that take one.
func (w searcher) everywhere(t *testing.T, text string) {
	t.Helper()
	line := strings.ReplaceAll(text, "\n", " ")
	escaped := url.QueryEscape(text)
	for _, sent := range [][]string{
		{http.MethodGet, "/data", "X-API-Key: " + line},
		{http.MethodGet, "/data", "X-API-Key: " + w.key + line},
		{http.MethodGet, "/export?api_key=" + escaped},
		{http.MethodGet, "/profile", "Cookie: __Host-session=" + line},
		{http.MethodGet, "/reports", "Authorization: Bearer " + line},
		{http.MethodPost, "/login", "Origin: " + origin, "Body: username=" + escaped + "&password=x"},
		{http.MethodGet, "/nowhere/" + url.PathEscape(text), "X-API-Key: " + w.key},
	} {
		time.Sleep(time.Second) //nolint:forbidigo // no time passes in a bubble
		if answer := send(t, w.World, sent[0], sent[1], sent[2:]...); answer.Code < 400 || answer.Code >= 500 {
			t.Errorf("%q: %d, want a refusal", sent, answer.Code)
		}
	}
}
