package main

import (
	"errors"
	"net/http"
	"time"

	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
)

// addLimits makes limits without windows: no edge at which twice as much passes,
// and no count that starts again with each request.
//
// That of addresses counts every request, also those with wrong keys. The others
// count, by who sent them, the requests that nothing has refused. The address is
// that of the connection; behind a proxy it is what listed proxies say, see package
// forwarded, and never simply what stands in X-Forwarded-For.
func (s *service) addLimits() error {
	var errs [4]error
	s.addresses, errs[0] = limit("address", ratelimit.Quota{Count: 600, Per: time.Minute, Burst: 100}, ratelimit.ByAddress())
	s.principals, errs[1] = limit("principal", ratelimit.Quota{Count: 120, Per: time.Minute}, ratelimit.ByPrincipal()...)
	s.few, errs[2] = limit("items", ratelimit.Quota{Count: 5, Per: time.Hour}, ratelimit.ByPrincipal()...)
	s.body, errs[3] = bodylimit.New(bodylimit.Config{Max: 1 << 20})
	return errors.Join(errs[:]...)
}

// limit returns the stage of one limit. Who has not proved anything is left to
// that of addresses.
func limit(name string, quota ratelimit.Quota, by ...ratelimit.Part) (*ratelimit.Stage, error) {
	l, err := ratelimit.NewLimit(ratelimit.LimitConfig{Name: name, Quota: quota, By: by, SkipMissing: true})
	if err != nil {
		return nil, err
	}
	return ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{l}})
}

// items costs much.
func items(w http.ResponseWriter, r *http.Request) {
	answer(w, "items for %s", exchange.From(r.Context()).Principal.Owner)
}
