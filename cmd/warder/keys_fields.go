package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
)

// fieldFlags are the flags by which keys create and keys update say what a key is
// good for.
type fieldFlags struct {
	name, owner, expiresIn, certificate, plan, idleRevoke string
	scopes, ips, methods, paths, origins, limits, meta    []string
	never                                                 bool
}

func (o *fieldFlags) addFlags(cmd *cobra.Command, noExpiry string) {
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "", "what the key is for, for people")
	f.StringVar(&o.owner, "owner", "", "your own id of whom the key belongs to; the upstream gets it as X-Warder-Owner")
	f.StringSliceVar(&o.scopes, "scopes", nil, "what the key may do, such as orders:read or orders:*")
	f.StringVar(&o.expiresIn, "expires-in", "", "lifetime from now such as 12h, 90d, 6w, 3mo or 1y (default: "+noExpiry+")")
	f.BoolVar(&o.never, "never-expires", false, "the key does not expire, whatever keys.default_ttl says")
	f.StringVar(&o.certificate, "certificate", "", "bind the key to a client certificate: a PEM file, or sha256: and the fingerprint")
	f.StringSliceVar(&o.ips, "ip", nil, "address or range from where alone the key may be used, such as 192.0.2.0/24; may be repeated")
	f.StringSliceVar(&o.methods, "method", nil, "method with which alone the key may be used; GET takes HEAD too; may be repeated")
	f.StringArrayVar(&o.paths, "path", nil, "pattern of paths for which alone the key may be used, such as /orders/ or /orders/{id}; may be repeated")
	f.StringSliceVar(&o.origins, "origin", nil, "page that may use a public key, such as https://app.example.com; may be repeated")
	f.StringVar(&o.plan, "plan", "", "name of the plan whose limits apply; see rate_limits")
	f.StringArrayVar(&o.limits, "limit", nil, "limit of the key's own, NAME=COUNT/TIME or NAME=COUNT/TIME/BURST, such as key=100/1m; may be repeated")
	f.StringArrayVar(&o.meta, "meta", nil, "note of your own, NAME=VALUE; may be repeated")
	f.StringVar(&o.idleRevoke, "idle-revoke", "", "the key is revoked when it was unused for so long, 1h to 3660d, such as 90d (default: never)")
}

// parsed is what the flags say. What was not given is zero.
type parsed struct {
	expires     time.Time
	certificate [32]byte
	ips         []netip.Prefix
	limits      []exchange.Quota
	meta        map[string]string
	idleRevoke  time.Duration
}

// parse reports everything that cannot be read at once.
func (o *fieldFlags) parse(now time.Time) (p parsed, _ error) {
	var errs [6]error
	p.expires, errs[0] = o.expires(now)
	p.certificate, errs[1] = o.sum()
	p.ips, errs[2] = parseIPs(o.ips)
	p.limits, errs[3] = parseLimits(o.limits)
	p.meta, errs[4] = parseMeta(o.meta)
	if o.idleRevoke != "" {
		var err error
		if p.idleRevoke, err = config.ParseDuration(o.idleRevoke); err != nil {
			errs[5] = fmt.Errorf("--idle-revoke %q: %w", printable(o.idleRevoke), err)
		}
	}
	return p, errors.Join(errs[:]...)
}

func (o *fieldFlags) expires(now time.Time) (time.Time, error) {
	switch {
	case o.expiresIn == "":
		return time.Time{}, nil
	case o.never:
		return time.Time{}, errors.New("--never-expires: contradicts --expires-in")
	}
	at, err := parseLifetime(o.expiresIn, now)
	if err != nil {
		return time.Time{}, fmt.Errorf("--expires-in %q: %w", printable(o.expiresIn), err)
	}
	if !at.After(now) {
		return time.Time{}, fmt.Errorf("--expires-in %s: want a time to come, such as 90d", printable(o.expiresIn))
	}
	return at, nil
}

var errLifetime = errors.New("is not a lifetime such as 12h, 90d, 6w, 3mo or 1y")

// parseLifetime returns now and the lifetime: a duration, in front of which may
// stand years and months of the calendar. From the 31st, a month leads to the last
// day of a shorter one.
func parseLifetime(text string, now time.Time) (time.Time, error) {
	months, rest := 0, text
	for _, unit := range []struct {
		name   string
		months int
	}{{"y", 12}, {"mo", 1}} {
		digits := strings.TrimLeft(rest, "0123456789")
		after, found := strings.CutPrefix(digits, unit.name)
		number := rest[:len(rest)-len(digits)]
		if !found || number == "" {
			continue
		}
		n, err := strconv.Atoi(number)
		if err != nil || n > 10_000 {
			return time.Time{}, errLifetime
		}
		months, rest = months+n*unit.months, after
	}
	at := now
	if months > 0 {
		at = addMonths(now, months)
	}
	if rest == "" && months > 0 {
		return at, nil
	}
	d, err := config.ParseDuration(rest)
	if err != nil {
		return time.Time{}, errLifetime
	}
	return at.Add(d), nil
}

func addMonths(t time.Time, n int) time.Time {
	t = t.UTC()
	at := t.AddDate(0, n, 0)
	if at.Day() != t.Day() {
		at = at.AddDate(0, 0, -at.Day()) // the last day of the month before
	}
	return at
}

func (o *fieldFlags) sum() ([32]byte, error) {
	if o.certificate == "" {
		return [32]byte{}, nil
	}
	sum, err := certificateSum(o.certificate)
	if err != nil {
		return sum, fmt.Errorf("--certificate: %w", err)
	}
	return sum, nil
}

func parseIPs(texts []string) (all []netip.Prefix, _ error) {
	var errs []error
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(text); err == nil && addr.Zone() == "" {
				p = netip.PrefixFrom(addr, addr.BitLen())
			}
		}
		if err != nil || !p.IsValid() {
			errs = append(errs, fmt.Errorf("--ip %q: want an address or a range such as 192.0.2.0/24", printable(text)))
			continue
		}
		all = append(all, p)
	}
	return all, errors.Join(errs...)
}

func parseLimits(texts []string) (all []exchange.Quota, _ error) {
	var errs []error
	for _, text := range texts {
		if text == "" {
			continue // takes those that there are away
		}
		q, err := config.ParseQuota(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("--limit %q: %w", printable(text), err))
			continue
		}
		all = append(all, q)
	}
	return all, errors.Join(errs...)
}

func parseMeta(texts []string) (map[string]string, error) {
	var errs []error
	all := make(map[string]string)
	for _, text := range texts {
		name, value, found := strings.Cut(text, "=")
		_, twice := all[name]
		switch {
		case !found || name == "":
			errs = append(errs, errors.New("--meta: want NAME=VALUE"))
		case twice:
			errs = append(errs, fmt.Errorf("--meta: %q is given twice", printable(name)))
		}
		all[name] = value
	}
	if len(all) == 0 {
		all = nil
	}
	return all, errors.Join(errs...)
}

// flagOf is the flag that sets a field of a key.
func flagOf(field string) string {
	flags := map[string]string{
		"environment": "env", "expires": "expires-in", "addresses": "ip", "methods": "method", "paths": "path", "origins": "origin",
		"limits": "limit", "metadata": "meta", "idle_revoke": "idle-revoke", "idle_retire": "idle", "keys": "count",
	}
	if flag := flags[field]; flag != "" {
		return flag
	}
	return field
}

// kinds are the kinds of keys that can be made.
func kinds() []string {
	return []string{string(apikey.KindSecret), string(apikey.KindPublic), string(apikey.KindHoneytoken)}
}
