package adminui

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/usage/tally"
)

// healthSize is how many keys one page of health looks at.
const healthSize = 200

// A finding is something that is wrong with a key, in words.
type finding struct {
	Ill  tally.Ill
	Text string
}

// An illRow is a key with what is wrong.
type illRow struct {
	row

	Findings []finding
}

// A healthPage is what is wrong with a part of the keys.
type healthPage struct {
	Rows    []illRow
	Ill     string
	Looked  int
	Next    address
	First   bool
	Counted bool
}

// Ills are what may be wrong.
func (healthPage) Ills() []tally.Ill {
	return []tally.Ill{tally.NeverExpires, tally.Idle, tally.OverScoped, tally.ManyAddresses, tally.OldSecret}
}

func (v *visit) health() error {
	q, err := v.query("ill", "cursor")
	if err != nil {
		return err
	}
	if err := v.must(account.ReadUsage); err != nil {
		return err
	}
	p := healthPage{Ill: q.Get("ill"), First: q.Get("cursor") == "", Counted: v.site.cfg.Uses != nil}
	asked := url.Values{"limit": {strconv.Itoa(healthSize)}}
	if !p.First {
		asked.Set("cursor", q.Get("cursor"))
	}
	var got client.KeyPage
	if _, err := v.get("/v1/keys", asked, &got); err != nil {
		return err
	}
	for i := range got.Keys {
		if state := apikey.State(got.Keys[i].State); state != apikey.Active && state != apikey.Retiring {
			continue
		}
		p.Looked++
		r, err := v.row(got.Keys[i])
		if err != nil {
			return err
		}
		if found := only(p.Ill, v.findings(&r)); len(found) > 0 {
			p.Rows = append(p.Rows, illRow{r, found})
		}
	}
	filter := make(url.Values)
	if p.Ill != "" {
		filter.Set("ill", p.Ill)
	}
	p.Next = next("health", filter, got.Next)
	v.render(http.StatusOK, page{Title: "Health", Active: "health"}, p)
	return nil
}

// only keeps one sort of findings; "" keeps all.
func only(ill string, all []finding) (some []finding) {
	for _, f := range all {
		if ill == "" || string(f.Ill) == ill {
			some = append(some, f)
		}
	}
	return some
}

// findings says what is wrong with a key that works.
func (v *visit) findings(r *row) (all []finding) {
	if state := apikey.State(r.State); r.Use == nil || state != apikey.Active && state != apikey.Retiring {
		return nil
	}
	for _, f := range v.site.cfg.Health.Health(judged(r), r.Use, time.Now()) {
		all = append(all, finding{f.Ill, words(&f)})
	}
	return all
}

// judged is what the judgement needs of a key.
func judged(r *row) *tally.Key {
	k := &tally.Key{ID: r.ID, Scopes: r.Scopes, Created: r.Created}
	if r.Expires != nil {
		k.Expires = *r.Expires
	}
	for _, s := range r.Secrets {
		one := tally.Secret{Number: int(s.Number)}
		if s.Retires != nil {
			one.Retires = *s.Retires
		}
		k.Secrets = append(k.Secrets, one)
	}
	return k
}

// words says it to people.
func words(f *tally.Finding) string {
	switch f.Ill {
	case tally.NeverExpires:
		return "It works for ever."
	case tally.Idle:
		return "Not used since " + f.Since.UTC().Format(time.DateOnly) + "."
	case tally.OverScoped:
		return "Never needed " + strings.Join(f.Scopes, ", ") + "."
	case tally.ManyAddresses:
		return fmt.Sprintf("Used from %d addresses or more within 30 days.", f.Count)
	case tally.OldSecret:
		return fmt.Sprintf("Former secret %d is still in use: last %s; it ends %s.", f.Secret, when(f.Since), when(f.Ends))
	default:
		return ""
	}
}

// reduced completes the page that takes away what a key never needed.
func (v *visit) reduced(p *actionPage) error {
	r, err := v.row(p.Key)
	if err != nil {
		return err
	}
	if r.Use == nil || r.LastUsed().IsZero() {
		return told(problem.Conflict, "Nobody has used the key since usage is counted. Revoke it, or change its scopes yourself.")
	}
	p.Left = append([]string{}, v.site.cfg.Health.Reduced(judged(&r), r.Use)...)
	for _, scope := range p.Key.Scopes {
		if !slices.Contains(p.Left, scope) {
			p.Gone = append(p.Gone, scope)
		}
	}
	if len(p.Gone) == 0 {
		return told(problem.Conflict, "The key has needed every scope that it has.")
	}
	return nil
}
