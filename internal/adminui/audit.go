package adminui

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
)

// An event is an entry of the audit with what it changed.
type event struct {
	client.Entry

	Name    string // of the person who did it; "" where it is not known
	Changes []change
	Key     bool // the subject is a key that may be looked at
}

// A change is one member of an entry, before and after; "" where there was none.
type change struct{ Name, Before, After string }

// events reads a page of the audit.
func (v *visit) events(q url.Values) (all []event, cursor string, _ error) {
	var got client.EntryPage
	if _, err := v.get("/v1/audit", q, &got); err != nil {
		return nil, "", err
	}
	names, err := v.names()
	if err != nil {
		return nil, "", err
	}
	for i := range got.Entries {
		e := &got.Entries[i]
		all = append(all, event{Entry: *e, Name: names[e.Actor], Changes: changes(e.Before, e.After), Key: e.Kind == "key" && apikey.ValidID(e.Subject)})
	}
	return all, got.Next, nil
}

// names are those of people, by what the audit calls them; none where they may not be
// read.
func (v *visit) names() (map[string]string, error) {
	if !v.may(account.ReadAccounts) {
		return map[string]string{}, nil
	}
	all, err := v.people()
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(all))
	for i := range all {
		names["account:"+string(all[i].ID)] = all[i].Name
	}
	return names, nil
}

// changes compares two states, member by member. That a change was made at all is the
// entry itself.
func changes(before, after json.RawMessage) (all []change) {
	was, is := make(map[string]string), make(map[string]string)
	members(was, "", before)
	members(is, "", after)
	names := maps.Clone(was)
	maps.Copy(names, is)
	delete(names, "updated")
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was[name] != is[name] {
			all = append(all, change{name, was[name], is[name]})
		}
	}
	return all
}

// members adds those of an object to all, as text, and those of objects in it. What is
// in detail stands there for storage alone.
func members(all map[string]string, within string, state json.RawMessage) {
	var raw map[string]json.RawMessage
	if json.Unmarshal(state, &raw) != nil {
		return
	}
	for name, value := range raw {
		full := within + name
		var s string
		switch {
		case bytes.HasPrefix(value, []byte("{")) && name == "detail":
			members(all, within, value)
		case bytes.HasPrefix(value, []byte("{")):
			members(all, full+".", value)
		case json.Unmarshal(value, &s) == nil:
			all[full] = s
		case name == "secrets":
			all[full] = secretsText(value)
		default:
			all[full] = string(value)
		}
	}
}

// secretsText says of a key's secrets which there are, and until when.
func secretsText(value json.RawMessage) string {
	var secrets []struct {
		Number  int       `json:"number"`
		Retires time.Time `json:"retires"`
	}
	if json.Unmarshal(value, &secrets) != nil {
		return string(value)
	}
	var parts []string
	for _, one := range secrets {
		text := "no. " + strconv.Itoa(one.Number)
		if !one.Retires.IsZero() {
			text += " until " + one.Retires.UTC().Format(time.RFC3339)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// An auditPage is a part of the audit.
type auditPage struct {
	Events []event
	Filter url.Values
	Next   address
	First  bool
	Export address // of the same as CSV
}

// Filtered reports whether anything is left out.
func (a auditPage) Filtered() bool { return len(a.Filter) > 0 }

// auditFilter reads what is asked for: asked is for the API, kept for the links.
func (v *visit) auditFilter(more ...string) (asked, kept url.Values, _ error) {
	q, err := v.query(append([]string{"actor", "op", "kind", "subject", "since", "until"}, more...)...)
	if err != nil {
		return nil, nil, err
	}
	asked, kept = make(url.Values), make(url.Values)
	for name, values := range q {
		text := strings.TrimSpace(values[0])
		if text == "" || slices.Contains(more, name) {
			continue
		}
		kept.Set(name, text)
		if name == "since" || name == "until" {
			t := parseMoment(text)
			if t == nil {
				return nil, nil, errNotFound
			}
			text = t.Format(time.RFC3339)
		}
		asked.Set(name, text)
	}
	return asked, kept, nil
}

func (v *visit) listAudit() error {
	asked, kept, err := v.auditFilter("cursor")
	if err != nil {
		return err
	}
	asked.Set("limit", strconv.Itoa(pageSize))
	cursor := v.r.URL.Query().Get("cursor")
	if cursor != "" {
		asked.Set("cursor", cursor)
	}
	p := auditPage{Filter: kept, First: cursor == "", Export: to("audit.csv").with(kept)}
	var after string
	if p.Events, after, err = v.events(asked); err != nil {
		return err
	}
	p.Next = next("audit", kept, after)
	v.render(http.StatusOK, page{Title: "Audit", Active: "audit"}, p)
	return nil
}

// exportAudit passes on the API's own export, as it comes.
func (v *visit) exportAudit() error {
	asked, _, err := v.auditFilter()
	if err != nil {
		return err
	}
	if err := v.must(account.ReadAudit); err != nil {
		return err
	}
	asked.Set("limit", "1")
	if _, _, err := v.events(asked); err != nil { // what is refused is a page; later it could only be cut
		return err
	}
	asked.Del("limit")
	asked.Set("format", "csv")
	r, err := v.request(question{method: http.MethodGet, path: "/v1/audit:export", query: asked})
	if err != nil {
		return err
	}
	v.head()
	v.w.Header().Set("Content-Disposition", `attachment; filename="audit.csv"`)
	v.site.cfg.API.ServeHTTP(v.w, r)
	return nil
}
