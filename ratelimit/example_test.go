package ratelimit_test

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/warder-dev/warder/ratelimit"
)

// 100 a minute for each key, of which 2 may come at once, and 1,000 an hour for
// all keys of an owner.
func Example() {
	key, err := ratelimit.NewLimit(ratelimit.LimitConfig{
		Name: "key", Quota: ratelimit.Quota{Count: 100, Per: time.Minute, Burst: 2}, By: []ratelimit.Part{ratelimit.ByKey()},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	owner, err := ratelimit.NewLimit(ratelimit.LimitConfig{
		Name: "owner", Quota: ratelimit.Quota{Count: 1000, Per: time.Hour}, By: []ratelimit.Part{ratelimit.ByOwner()},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	stage, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{key, owner}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	x := request() // with the key k1 of acme
	for range 3 {
		v := stage.Check(x)
		_, _ = fmt.Fprintf(os.Stdout, "%s %q\n", v.Kind(), v.Reason())
	}
	h := http.Header{}
	stage.Headers(x, h)
	_, _ = fmt.Fprintln(os.Stdout, h.Get("RateLimit-Policy"))
	// Output:
	// passed ""
	// passed ""
	// refused "limit:key"
	// "key";q=100;w=60, "owner";q=1000;w=3600
}
