package contract_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// counting is the address of a server that counts who asks.
func counting(t *testing.T, n *int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { *n++ }))
	t.Cleanup(s.Close)
	return s.URL
}
