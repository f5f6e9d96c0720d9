package cors_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/exchange"
)

// The pages of one application may use the API with a key in a header, and read
// when to try again. What is not allowed is explained to the operator alone.
func ExampleStage() {
	s, err := cors.New(cors.Config{
		Origins:        []string{"https://app.example.com", "https://*.preview.example.com"},
		Methods:        []string{http.MethodPut, http.MethodDelete},
		RequestHeaders: []string{"Content-Type", "X-API-Key"},
		ExposedHeaders: []string{"Retry-After"},
		MaxAge:         time.Hour,
		Report:         func(_ *exchange.Exchange, r cors.Refusal) { _, _ = fmt.Fprintln(os.Stdout, "refused:", r) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	api := s.Wrap(http.NotFoundHandler())
	for _, origin := range []string{"https://pr-17.preview.example.com", "https://preview.example.com"} {
		r := httptest.NewRequest(http.MethodOptions, "https://api.example.com/orders", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", http.MethodPut)
		r.Header.Set("Access-Control-Request-Headers", "x-api-key")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		_, _ = fmt.Fprintf(os.Stdout, "%d %q\n", w.Code, w.Header().Get("Access-Control-Allow-Origin"))
	}
	// Output:
	// 204 "https://pr-17.preview.example.com"
	// refused: preflight: origin-not-listed: Origin "https://preview.example.com"
	// 204 ""
}
