package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/decision/ratelimits"
	"github.com/warder-dev/warder/internal/keyservice"
)

// views are the limits of Envoys for the admin listener, by name. What tells their
// subjects apart are the values of entries, named by key.
func (d *descriptors) views() (all []keyservice.RunningLimit) {
	l := d.limits.Load()
	if l == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(l.made)) {
		limit := l.made[name]
		q, n := limit.Quota(), limit.Counts()
		all = append(all, keyservice.RunningLimit{
			Name: name, By: parts(l.open[name]), Count: q.Count, Per: q.Per.String(), Burst: q.Burst, Shadow: limit.InShadow(),
			Subjects: limit.Remembered(), Passed: n.Passed, Refused: n.Refused, Shadowed: n.Shadowed,
		})
	}
	return all
}

// parts names keys, of which one may lie below another that is the same: the second
// is key#2.
func parts(keys []string) []string {
	names := make([]string, len(keys))
	times := make(map[string]int)
	for i, key := range keys {
		names[i] = key
		if times[key]++; times[key] > 1 {
			names[i] = fmt.Sprintf("%s#%d", key, times[key])
		}
	}
	return names
}

// who is what the admin listener tells of a refused subject of a limit: of Envoys'
// the keys alone, since values may be anything that clients send.
func (d *descriptors) who(limit, who string) string {
	if l := d.limits.Load(); l != nil && l.made[limit] != nil {
		return strings.Join(parts(l.open[limit]), " ")
	}
	return who
}

// requestOf makes a question about the subject whose parts are named.
func (d *descriptors) requestOf(limit string, named map[string]string) (*exchange.Exchange, error) {
	l := d.limits.Load()
	if l == nil || l.made[limit] == nil {
		return nil, errors.New("the limit is gone")
	}
	wanted := parts(l.open[limit])
	if err := checkParts(wanted, named); err != nil {
		return nil, err
	}
	x, err := noRequest()
	if err != nil {
		return nil, err
	}
	values := make([]string, len(wanted))
	for i, name := range wanted {
		values[i] = named[name]
	}
	x.Principal.Claims = ratelimits.Claims(limit, values)
	return x, nil
}
