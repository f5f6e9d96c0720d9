package exchange_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/warder-dev/warder/exchange"
)

func TestIsOwnOrigin(t *testing.T) {
	for _, tt := range []struct {
		scheme, host, port, origin string
		own                        bool
	}{
		{"https", "a.example", "", "https://a.example", true},
		{"https", "a.example", "443", "https://a.example", true},
		{"https", "a.example", "443", "https://a.example:443", false},
		{"https", "a.example", "80", "https://a.example:80", true},
		{"http", "a.example", "80", "http://a.example", true},
		{"http", "a.example", "443", "http://a.example:443", true},
		{"http", "a.example", "8080", "http://a.example:8080", true},
		{"http", "a.example", "8080", "http://a.example", false},
		{"http", "a.example", "8080", "http://a.example:80801", false},
		{"http", "a.example", "8080", "http://a.example:808", false},
		{"http", "a.example", "8080", "http://a.examplex8080", false},
		{"http", "a.example", "", "https://a.example", false},
		{"https", "a.example", "", "http://a.example", false},
		{"https", "a.example", "", "https://a.example.evil.example", false},
		{"https", "a.example", "", "https://b.a.example", false},
		{"https", "a.example", "", "HTTPS://A.example", false},
		{"https", "a.example", "", "null", false},
		{"https", "a.example", "", "", false},
		{"https", "[2001:db8::1]", "8443", "https://[2001:db8::1]:8443", true},
		{"https", "127.0.0.1", "", "https://127.0.0.1", true},
		{"", "", "", "://", false},
		{"https", "", "", "https://", false},
		{"", "a.example", "", "://a.example", false},
	} {
		x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
		x.Scheme, x.Host, x.Port = tt.scheme, tt.host, tt.port
		if got := x.IsOwnOrigin(tt.origin); got != tt.own {
			t.Errorf("%+v: own = %v", tt, got)
		}
	}
}
