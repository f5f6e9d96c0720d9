package usage_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/usage"
)

// Example gives a key two credits and sends three requests.
func Example() {
	ctx := context.Background()
	store := new(usage.MemoryStore)
	_, err := store.Apply(ctx, usage.Change{
		Actor: "user:ada", Source: "example", At: time.Now(), Subject: usage.Subject{Kind: usage.Key, ID: "7HqLk2mVxWcP"}, Op: usage.OpSet, Amount: 2,
	})
	if err != nil {
		panic(err)
	}
	ledger, err := usage.NewLedger(usage.LedgerConfig{Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	credit, err := usage.New(usage.Config{Ledger: ledger})
	if err != nil {
		panic(err)
	}
	h := credit.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))

	for range 3 {
		x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
		x.Principal.KeyID = "7HqLk2mVxWcP" // as authn finds it
		w := httptest.NewRecorder()
		h.ServeHTTP(w, x.Request)
		fmt.Println(w.Code, "left:", w.Header().Get(usage.Remaining))
	}
	if err := ledger.Close(ctx); err != nil { // gives back what is left
		panic(err)
	}
	// Output:
	// 204 left: 1
	// 204 left: 0
	// 429 left: 0
}
