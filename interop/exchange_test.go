package interop_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/warder-dev/warder/exchange"
)

// TestTheModuleStandsBesideItsUsers: what is checked here is this checkout.
func TestTheModuleStandsBesideItsUsers(t *testing.T) {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/?a=1", nil))
	if x.SetQuery(""); x.Request.URL.String() != "/" {
		t.Errorf("URL = %s, want /", x.Request.URL)
	}
}
