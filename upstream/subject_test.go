package upstream_test

import (
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

// Who sent no key is told by subject and issuer; a key by its id, as ever.
func TestWhoSentNoKeyIsASubjectOfItsIssuer(t *testing.T) {
	attack.Case(t, "MULTI-12", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name string
			who  exchange.Principal
			want map[string]string // "" for a field that is absent
		}{
			{
				"of one issuer",
				exchange.Principal{Issuer: "https://id.example", Subject: "ada"},
				map[string]string{"X-Warder-Issuer": "https://id.example", "X-Warder-Subject": "ada", "X-Warder-Key-Id": "", "X-Warder-Owner": ""},
			},
			{
				"of another one",
				exchange.Principal{Issuer: "https://other.example", Subject: "ada"},
				map[string]string{"X-Warder-Issuer": "https://other.example", "X-Warder-Subject": "ada", "X-Warder-Key-Id": "", "X-Warder-Owner": ""},
			},
			{
				"a subject that is the id of a key",
				exchange.Principal{Issuer: "https://id.example", Subject: "key1"},
				map[string]string{"X-Warder-Issuer": "https://id.example", "X-Warder-Subject": "key1", "X-Warder-Key-Id": ""},
			},
			{
				"a subject that is the owner of a key",
				exchange.Principal{Issuer: "password", Subject: "acme"},
				map[string]string{"X-Warder-Issuer": "password", "X-Warder-Subject": "acme", "X-Warder-Owner": "", "X-Warder-Key-Id": ""},
			},
			{
				"the key", principal(),
				map[string]string{"X-Warder-Issuer": "", "X-Warder-Subject": "", "X-Warder-Key-Id": "key1", "X-Warder-Owner": "acme"},
			},
			{
				"letters that no field has",
				exchange.Principal{Issuer: "a\r\nX-Evil: 1", Subject: "Ada, Köln"},
				map[string]string{"X-Warder-Issuer": "a%0D%0AX-Evil:%201", "X-Warder-Subject": "Ada%2C%20K%C3%B6ln", "X-Evil": ""},
			},
			{"nobody", exchange.Principal{}, map[string]string{"X-Warder-Issuer": "", "X-Warder-Subject": ""}},
		} {
			r, _ := forwarded(t, func(x *exchange.Exchange) { x.Principal = tt.who }, "X-Warder-Subject: evil", "x_warder_issuer: evil")
			for name, want := range tt.want {
				if got := r.Header.Get(name); got != want || len(r.Header[name]) > 1 {
					t.Errorf("%s: %s = %q, want %q", tt.name, name, r.Header[name], want)
				}
			}
		}
	})
}
