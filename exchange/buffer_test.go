package exchange_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// judge is a stage that reads the body.
type judge struct {
	limit, most int64
	refuse      bool
	read        string
	err         error
}

func (s *judge) Check(x *exchange.Exchange) exchange.Verdict {
	x.BodyLimit = s.most
	text, err := x.Body(s.limit)
	s.read, s.err = string(text), err
	if s.refuse {
		return exchange.Refuse(problem.New(problem.InvalidContent, ""), "")
	}
	return exchange.Pass()
}

func TestAJudgedBodyIsReadAgain(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name          string
		body          io.Reader
		limit, most   int64
		read, handler string
		over          bool
		fails         error // for the handler
	}{
		{"whole", strings.NewReader("abcdef"), 10, 0, "abcdef", "abcdef", false, nil},
		{"at the limit", strings.NewReader("abcdef"), 6, 0, "abcdef", "abcdef", false, nil},
		{"over the limit of the judge: all of it comes all the same", strings.NewReader("abcdef"), 3, 0, "abcd", "abcdef", true, nil},
		{"over the limit of the route", strings.NewReader("abcdef"), 10, 4, "abcd", "abcd", true, new(http.MaxBytesError)},
		{"broken", io.MultiReader(strings.NewReader("abc"), failing{broken}), 10, 0, "abc", "abc", false, broken},
		{"none", nil, 10, 0, "", "", false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &judge{limit: tt.limit, most: tt.most}
			h := exchange.Wrap(s, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				text, err := io.ReadAll(r.Body)
				if string(text) != tt.handler || (err != nil) != (tt.fails != nil) {
					t.Errorf("the handler read %q, %v, want %q, %v", text, err, tt.handler, tt.fails)
				}
			}))
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", tt.body))
			var over *http.MaxBytesError
			if s.read != tt.read || errors.As(s.err, &over) != tt.over {
				t.Errorf("the judge read %q, %v, want %q", s.read, s.err, tt.read)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A body that was judged to its end was read: the client's next request needs no
// new connection.
func TestARefusedBodyThatWasReadKeepsTheConnection(t *testing.T) {
	for _, tt := range []struct {
		limit int64
		close bool
	}{{10, false}, {2, true}} {
		w := httptest.NewRecorder()
		exchange.Wrap(&judge{limit: tt.limit, refuse: true}, http.HandlerFunc(ok)).
			ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("abcdef")))
		if got := w.Header().Get("Connection") == "close"; got != tt.close || w.Code != http.StatusUnprocessableEntity {
			t.Errorf("limit %d: %d, close %v, want %v", tt.limit, w.Code, got, tt.close)
		}
	}
}
