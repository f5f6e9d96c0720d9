package adminui

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/usage/tally"
)

// pageSize is how many keys, or entries, a page has.
const pageSize = 50

// soon is from when on a key is shown as one that expires.
const soon = 30 * 24 * time.Hour

// A row is a key with what is known of its use.
type row struct {
	client.Key

	Use   *tally.KeyUse // nil where nothing counts it
	Badge string        // its state, or expiring
}

// LastUsed is when the key was used last; zero for never.
func (r *row) LastUsed() time.Time {
	if r.Use == nil {
		return time.Time{}
	}
	return r.Use.LastUsed()
}

// Tone says how long ago it was used, for a colour.
func (r *row) Tone() string {
	const day = 24 * time.Hour
	switch last := r.LastUsed(); {
	case last.IsZero():
		return "never"
	case time.Since(last) < 7*day:
		return "recent"
	case time.Since(last) < 90*day:
		return "older"
	default:
		return "old"
	}
}

// row joins a key with its use, of a key that the API has told of.
func (v *visit) row(k client.Key) (row, error) { //nolint:gocritic // a key is shown once
	r := row{Key: k, Badge: k.State}
	if k.State == string(apikey.Active) && k.Expires != nil && time.Until(*k.Expires) < soon {
		r.Badge = "expiring"
	}
	if v.site.cfg.Uses == nil || !v.may(account.ReadUsage) {
		return r, nil
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), v.site.cfg.Timeout)
	defer cancel()
	use, err := v.site.cfg.Uses.Key(ctx, k.ID)
	if err != nil {
		v.site.cfg.Log.LogAttrs(ctx, slog.LevelError, "the use of a key cannot be read", slog.String("id", v.id()), slog.Any("error", err))
		return r, told(problem.Unavailable, "The store gave no answer.")
	}
	r.Use = &use
	return r, nil
}

// A listPage is a part of the list of keys.
type listPage struct {
	Rows    []row
	Filter  url.Values
	Next    address // of the next page; none on the last
	First   bool
	Write   bool
	Counted bool
	Message string
}

// States and Kinds are what the filter offers.
func (listPage) States() []string {
	return []string{string(apikey.Active), string(apikey.Retiring), string(apikey.Disabled), string(apikey.Revoked), string(apikey.Expired)}
}

// Kinds are those of keys.
func (listPage) Kinds() []string {
	return []string{string(apikey.KindSecret), string(apikey.KindPublic), string(apikey.KindHoneytoken)}
}

// Filtered reports whether anything is left out.
func (l listPage) Filtered() bool { return len(l.Filter) > 0 }

func (v *visit) listKeys() error {
	if info, err := apikey.Parse(strings.TrimSpace(v.r.URL.Query().Get("text"))); err == nil {
		v.redirect(keyAddress(string(info.ID)).text) // somebody wrote the address: it is not kept
		return nil
	}
	q, err := v.query("text", "owner", "environment", "kind", "state", "plan", "expires", "cursor")
	if err != nil {
		return err
	}
	p := listPage{Filter: make(url.Values), First: q.Get("cursor") == "", Write: v.may(account.WriteKeys), Counted: v.site.cfg.Uses != nil}
	asked := url.Values{"limit": {strconv.Itoa(pageSize)}}
	for name, values := range q {
		if values[0] == "" {
			continue
		}
		if name != "cursor" {
			p.Filter[name] = values
		}
		if name == "expires" {
			if !v.expiring(values[0], asked) {
				return errNotFound
			}
			continue
		}
		asked[name] = values
	}
	got, err := v.pageOf(asked)
	if err != nil {
		return err
	}
	for i := range got.Keys {
		r, err := v.row(got.Keys[i])
		if err != nil {
			return err
		}
		p.Rows = append(p.Rows, r)
	}
	p.Next = next("keys", p.Filter, got.Next)
	v.render(http.StatusOK, page{Title: "Keys", Active: "keys"}, p)
	return nil
}

// searchTime is for how long one page looks for keys that hardly any is like.
const searchTime = 2 * time.Second

// pageOf asks until the page is full: the API looks at some keys at a time, and may find
// none among them.
func (v *visit) pageOf(asked url.Values) (got client.KeyPage, _ error) {
	for until := time.Now().Add(searchTime); ; {
		var some client.KeyPage
		if _, err := v.get("/v1/keys", asked, &some); err != nil {
			return got, err
		}
		got.Keys, got.Next = append(got.Keys, some.Keys...), some.Next
		if got.Next == "" || len(got.Keys) >= pageSize || time.Now().After(until) {
			return got, nil
		}
		asked.Set("limit", strconv.Itoa(pageSize-len(got.Keys)))
		asked.Set("cursor", got.Next)
	}
}

// expiring asks for keys that expire within some days. It is by whole days, so that a
// cursor stays good from page to page.
func (v *visit) expiring(days string, asked url.Values) bool {
	n, err := strconv.Atoi(days)
	if err != nil || n < 1 || n > 3660 {
		return false
	}
	asked.Set("expires_before", time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, n+1).Format(time.RFC3339))
	return true
}

// search finds a key by its text, which came in a body and goes on in one.
func (v *visit) search() error {
	var got client.KeyBody
	_, err := v.post("/v1/keys:search", map[string]string{"text": v.field("key")}, &got)
	if err == nil {
		v.redirect(keyAddress(got.Key.ID).text)
		return nil
	}
	status := statusOf(err)
	if status != http.StatusNotFound && status != http.StatusBadRequest {
		return err
	}
	p := listPage{Filter: make(url.Values), First: true, Write: v.may(account.WriteKeys), Message: "No key has this text: it may have been deleted, or never was one of this warder."}
	if status == http.StatusBadRequest {
		p.Message = "This is not the text of a key: its form or its check digits are wrong."
	}
	v.render(status, page{Title: "Keys", Active: "keys"}, p)
	return nil
}

// key returns the key of the address, with its ETag.
func (v *visit) key() (k client.Key, etag string, _ error) {
	id := v.r.PathValue("id")
	if !apikey.ValidID(id) {
		return k, "", errNotFound
	}
	var got client.KeyBody
	out, err := v.get("/v1/keys/"+id, nil, &got)
	if err != nil {
		return k, "", err
	}
	return got.Key, out.header.Get("ETag"), nil
}

// A keyPage is everything about one key.
type keyPage struct {
	row

	Secrets  []secretRow
	Findings []finding
	Chart    *chart
	Events   []event
	Write    bool
	Roll     bool
	Delete   bool
	Audit    bool
	Usable   bool // it is neither revoked nor expired
	Retiring bool
}

// A secretRow is one of a key's secrets, with its use.
type secretRow struct {
	client.Secret

	Used time.Time
}

func (v *visit) showKey() error {
	if err := v.plain(); err != nil {
		return err
	}
	k, _, err := v.key()
	if err != nil {
		return err
	}
	r, err := v.row(k)
	if err != nil {
		return err
	}
	p := keyPage{
		row: r, Write: v.may(account.WriteKeys), Roll: v.may(account.RollKeys), Delete: v.may(account.DeleteKeys), Audit: v.may(account.ReadAudit),
		Usable: k.Revoked == nil && k.State != string(apikey.Expired), Findings: v.findings(&r),
	}
	for _, s := range k.Secrets {
		one := secretRow{Secret: s}
		if s.Retires != nil {
			p.Retiring = true
		}
		if r.Use != nil {
			for _, use := range r.Use.Secrets {
				if int64(use.Secret) == s.Number {
					one.Used = use.At
				}
			}
		}
		p.Secrets = append(p.Secrets, one)
	}
	if p.Chart, err = v.chart(k.ID); err != nil {
		return err
	}
	if p.Audit {
		if p.Events, _, err = v.events(url.Values{"kind": {"key"}, "subject": {k.ID}, "limit": {"20"}}); err != nil {
			return err
		}
	}
	v.render(http.StatusOK, page{Title: title(&k), Active: "keys"}, &p)
	return nil
}

// title is what people call a key.
func title(k *client.Key) string {
	if k.Name == "" {
		return k.ID
	}
	return k.Name
}
