package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/ratelimit"
)

// running is what this node judges by, for the API. It implements keyservice.Running.
type running struct {
	gateway     func() *gateway.Gateway // the one that judges now
	descriptors *descriptors
	shadow      *shadow // nil for none
	log         *slog.Logger
}

// running is what this node judges by.
func (p *program) running() *running {
	return &running{gateway: p.gateway.Load, descriptors: &p.descriptors, shadow: p.shadow, log: p.options.Log}
}

// Limits implements keyservice.Running.
func (a *running) Limits() []keyservice.RunningLimit {
	all := []keyservice.RunningLimit{}
	g := a.gateway()
	rates, concurrent, configured := g.RateLimits(), g.Concurrency(), g.Settings().RateLimits
	for _, name := range slices.Sorted(maps.Keys(configured)) {
		settings := configured[name]
		v := keyservice.RunningLimit{Name: name, By: append([]string{}, settings.By...), Shadow: settings.Shadow, Concurrent: settings.Concurrent}
		var n ratelimit.Counts
		if l := rates[name]; l != nil {
			q := l.Quota()
			v.Count, v.Per, v.Burst, v.Subjects, n = q.Count, q.Per.String(), q.Burst, l.Remembered(), l.Counts()
		} else if c := concurrent[name]; c != nil {
			v.Subjects, n = c.UnderWay(), c.Counts()
		}
		v.Passed, v.Refused, v.Shadowed = n.Passed, n.Refused, n.Shadowed
		all = append(all, v)
	}
	return append(all, a.descriptors.views()...)
}

// limit returns the limit with the name.
func (a *running) limit(name string) (*ratelimit.Limit, error) {
	g := a.gateway()
	if l := g.RateLimits()[name]; l != nil {
		return l, nil
	}
	if l := a.descriptors.all()[name]; l != nil {
		return l, nil
	}
	if g.Concurrency()[name] != nil {
		return nil, &keyservice.FieldError{Field: "name", Message: "is of a limit on requests under way: it has nothing to show or to reset"}
	}
	return nil, keyservice.ErrNoLimit
}

// Refused implements keyservice.Running.
func (a *running) Refused(limit string, n int) ([]keyservice.RefusedSubject, error) {
	l, err := a.limit(limit)
	if err != nil {
		return nil, err
	}
	all := []keyservice.RefusedSubject{}
	for _, one := range l.Top(n) {
		all = append(all, keyservice.RefusedSubject{Subject: one.Subject.String(), Who: a.descriptors.who(l.Name(), one.Who), Times: one.Times, Over: one.Over, Last: one.Last.UTC().Truncate(time.Second)})
	}
	return all, nil
}

// asked finds a subject. x is a request of that subject; nil for one that is named by
// its id.
func (a *running) asked(limit string, named keyservice.LimitSubject) (l *ratelimit.Limit, s ratelimit.Subject, x *exchange.Exchange, err error) {
	if l, err = a.limit(limit); err != nil {
		return l, s, nil, err
	}
	if named.Subject != "" {
		if s, err = ratelimit.ParseSubject(named.Subject); err != nil {
			err = &keyservice.FieldError{Field: "subject", Message: "want 16 hexadecimal digits"}
		}
		return l, s, nil, err
	}
	if x, err = a.requestOf(l.Name(), named.Parts); err != nil {
		return l, s, nil, &keyservice.FieldError{Field: "parts", Message: err.Error()}
	}
	s, _ = l.Subject(x)
	return l, s, x, nil
}

// Standing implements keyservice.Running.
func (a *running) Standing(limit string, named keyservice.LimitSubject) (keyservice.SubjectStanding, error) {
	l, s, x, err := a.asked(limit, named)
	if err != nil {
		return keyservice.SubjectStanding{}, err
	}
	if x == nil {
		return keyservice.SubjectStanding{}, &keyservice.FieldError{Field: "subject", Message: "tells not enough: name the subject by its parts"}
	}
	v := keyservice.SubjectStanding{Subject: s.String()}
	if at, ok := l.Standing(x); ok {
		v.Count, v.Per, v.Burst = at.Quota.Count, at.Quota.Per.String(), at.Quota.Burst
		v.Left, v.Wait, v.Whole = at.Left, at.Wait.Round(time.Millisecond).String(), at.Whole.Round(time.Millisecond).String()
		v.Known = at.Whole > 0
	}
	return v, nil
}

// Reset implements keyservice.Running.
func (a *running) Reset(ctx context.Context, limit string, named keyservice.LimitSubject, note func(keyservice.Operated) error) (keyservice.SubjectStanding, error) {
	l, s, x, err := a.asked(limit, named)
	if err != nil {
		return keyservice.SubjectStanding{}, err
	}
	if l.Shared() && x == nil {
		return keyservice.SubjectStanding{}, &keyservice.FieldError{Field: "subject", Message: "is the id of this node alone, and nodes share the limit: name the subject by its parts"}
	}
	if err := note(a.operated(limit, s, named)); err != nil {
		return keyservice.SubjectStanding{}, err
	}
	v := keyservice.SubjectStanding{Subject: s.String(), Known: l.Reset(s)}
	if l.Shared() {
		if err := l.ResetFor(ctx, x); err != nil {
			return v, fmt.Errorf("server: reset %q: %w", limit, err)
		}
		v.Known = true
	}
	return v, nil
}

// Override implements keyservice.Running.
func (a *running) Override(limit string, named keyservice.LimitSubject, q ratelimit.Quota, until time.Time, note func(keyservice.Operated) error) (keyservice.SubjectStanding, error) {
	l, s, _, err := a.asked(limit, named)
	if err != nil {
		return keyservice.SubjectStanding{}, err
	}
	o := a.operated(limit, s, named)
	o.Count, o.Burst = q.Count, q.Burst
	if q.Per != 0 {
		o.Per = q.Per.String()
	}
	if !until.IsZero() {
		o.Until = new(until.UTC().Truncate(time.Second))
	}
	noted, asks := error(nil), false
	err = l.OverrideAfter(s, q, until, func() error {
		asks, noted = true, note(o)
		return noted
	})
	switch {
	case asks:
		err = noted
	case errors.Is(err, ratelimit.ErrOverrides):
		err = keyservice.ErrFull
	case err != nil:
		err = &keyservice.FieldError{Field: "count", Message: "makes no quota with per and burst: " + strings.TrimPrefix(err.Error(), "ratelimit: ")}
	}
	return keyservice.SubjectStanding{Subject: s.String()}, err
}

// operated is what the audit holds of a subject: the values of those parts alone that
// are no secret anywhere. What an Envoy's limit tells apart may be anything.
func (a *running) operated(limit string, s ratelimit.Subject, named keyservice.LimitSubject) keyservice.Operated {
	o := keyservice.Operated{Subject: s.String()}
	if _, own := a.gateway().Settings().RateLimits[limit]; !own {
		return o
	}
	for name, value := range named.Parts {
		switch name {
		case "address", "key", "owner", "issuer", "subject", "route":
			if o.Parts == nil {
				o.Parts = make(map[string]string)
			}
			o.Parts[name] = value
		}
	}
	return o
}

// requestOf makes a request of the subject of a limit that parts name.
func (a *running) requestOf(limit string, parts map[string]string) (*exchange.Exchange, error) {
	if settings, ok := a.gateway().Settings().RateLimits[limit]; ok {
		return requestOf(settings.By, parts)
	}
	return a.descriptors.requestOf(limit, parts)
}

// requestOf makes a request of the subject that parts name, which are all that
// the limit tells subjects apart by.
func requestOf(by []string, parts map[string]string) (*exchange.Exchange, error) {
	x, err := noRequest()
	if err != nil {
		return nil, err
	}
	x.Principal.Claims = map[string]any{}
	var wanted []string
	for _, text := range by {
		wanted = append(wanted, partNames(text)...)
	}
	if err := checkParts(wanted, parts); err != nil {
		return nil, err
	}
	for name, value := range parts {
		if err := setPart(x, name, value); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// noRequest is of a request that is never sent.
func noRequest() (*exchange.Exchange, error) {
	r, err := http.NewRequest(http.MethodGet, "/", http.NoBody) //nolint:noctx // is never sent
	if err != nil {
		return nil, err
	}
	return exchange.New(r), nil
}

// checkParts wants a value for each of wanted.
func checkParts(wanted []string, parts map[string]string) error {
	wanted = slices.Compact(slices.Sorted(slices.Values(wanted)))
	if slices.Equal(slices.Sorted(maps.Keys(parts)), wanted) {
		return nil
	}
	if len(wanted) == 0 {
		return errors.New("the limit counts everybody together, and has no parts")
	}
	return fmt.Errorf("the limit tells its subjects apart by %s: give each of these a value, and nothing else", strings.Join(wanted, ", "))
}

// partNames are the parts of one entry of by.
func partNames(text string) []string {
	if text == "principal" {
		return []string{"issuer", "subject"}
	}
	if strings.HasPrefix(text, "cel:") {
		return []string{"cel, which only ids can name"}
	}
	return []string{text}
}

func setPart(x *exchange.Exchange, name, value string) (err error) {
	p := &x.Principal
	kind, rest, _ := strings.Cut(name, ":")
	switch kind {
	case "address":
		if x.Client, err = netip.ParseAddr(value); err != nil {
			return errors.New("address is not an IP address")
		}
	case "key":
		p.KeyID = value
	case "owner":
		p.Owner = value
	case "session":
		p.Session = value
	case "issuer":
		p.Issuer = value
	case "subject":
		p.Subject = value
	case "route":
		x.Route = value
	case "header":
		x.Request.Header.Set(rest, value)
	case "claim":
		b, _ := config.ParseBy(name)
		claims := p.Claims
		for _, outer := range b.Path[:len(b.Path)-1] {
			inner := map[string]any{}
			claims[outer] = inner
			claims = inner
		}
		claims[b.Path[len(b.Path)-1]] = value
	}
	return nil
}
