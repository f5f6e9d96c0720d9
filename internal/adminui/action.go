package adminui

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/problem"
)

// An action is a change of one key that is asked for on a page of its own.
type action struct {
	Name, Title, Text, Button string
	Done                      string // what is said afterwards
	Danger                    bool
	Typed                     bool // the name of the key has to be typed
	right                     account.Action
	fields                    func() []*field
	body                      func(v *visit, k *client.Key) any
	verb                      string // behind the id in the API's path
}

// reduceName is that of the action whose page depends on what the key needed.
const reduceName = "reduce"

// none is the body of actions without one.
func none(*visit, *client.Key) any { return nil }

// actions returns all.
func actions() []action {
	return []action{
		{
			Name: "roll", Title: "Roll", Button: "Make a new secret", right: account.RollKeys, verb: ":roll", fields: rollFields, body: rollBody,
			Text: "The key gets a new secret and keeps its id, limits, credits and usage. The former one works on for as long as you say here, so that nothing has to stop.",
		},
		{
			Name: "end-overlap", Title: "End the overlap", Button: "End it now", right: account.RollKeys, verb: ":endOverlap", body: none, Danger: true,
			Text: "The former secrets of this key stop working now. Look at the key's page first: it says when they were used last.", Done: "Former secrets no longer work.",
		},
		{
			Name: reduceName, Title: "Reduce", Button: "Take them away", right: account.WriteKeys, body: none,
			Text: "The key keeps the scopes that it needed since usage is counted, and no others.",
		},
		{
			Name: "disable", Title: "Disable", Button: "Disable the key", right: account.WriteKeys, verb: ":disable", body: none,
			Text: "The key is refused until it is enabled again.", Done: "The key is disabled.",
		},
		{
			Name: "enable", Title: "Enable", Button: "Enable the key", right: account.WriteKeys, verb: ":enable", body: none,
			Text: "The key works again.", Done: "The key is enabled.",
		},
		{
			Name: "revoke", Title: "Revoke", Button: "Revoke for good", right: account.WriteKeys, verb: ":revoke", fields: revokeFields, body: revokeBody, Danger: true, Typed: true,
			Text: "A revoked key never works again. Streams that it holds open are closed.", Done: "The key is revoked.",
		},
		{
			Name: "delete", Title: "Delete", Button: "Delete the key", right: account.DeleteKeys, body: none, Danger: true, Typed: true,
			Text: "What is left of a deleted key is what the audit says of it.", Done: "The key is deleted.",
		},
	}
}

// overlapAny is the choice of a time of one's own.
const overlapAny = "any"

func rollFields() []*field {
	return []*field{
		{Name: "overlap", Label: "The former secret ends", Kind: "select", Value: "24h", Options: []option{
			{"", "now: it has leaked"}, {"1h", "in 1 hour"}, {"24h", "in 24 hours"}, {"168h", "in 7 days"}, {overlapAny, "after a time of your own"},
		}},
		{Name: "custom", Label: "Time of your own", Hint: "Such as 36h or 14d, up to 90d. Only for “after a time of your own”.", Kind: "text", Max: 32},
		{Name: "idle_retire", Label: "Or earlier, when unused for", Hint: "Such as 1h. Empty: not earlier.", Kind: "text", Max: 32},
	}
}

func rollBody(v *visit, _ *client.Key) any {
	overlap := v.field("overlap")
	if overlap == overlapAny {
		overlap = v.field("custom")
	}
	return client.RollKeyRequest{Overlap: overlap, IdleRetire: v.field("idle_retire")}
}

func revokeFields() []*field {
	return []*field{{Name: "reason", Label: "Reason, for the audit", Kind: "select", Value: apikey.ReasonUnspecified, Options: []option{
		{apikey.ReasonUnspecified, "unspecified"},
		{"key-compromise", "key-compromise: somebody else has it"},
		{"superseded", "superseded: another took its place"},
		{"affiliation-changed", "affiliation-changed: its owner has left"},
		{"privilege-withdrawn", "privilege-withdrawn"},
		{"cessation-of-operation", "cessation-of-operation: nothing uses it"},
	}}}
}

func revokeBody(v *visit, _ *client.Key) any {
	return client.RevokeKeyRequest{Reason: v.field("reason")}
}

// An actionPage asks for an action.
type actionPage struct {
	Action  action
	Key     client.Key
	Fields  []*field
	Left    []string // scopes that a key keeps which is reduced
	Gone    []string // those that it loses
	Typed   *field   // nil unless a name has to be typed
	Proof   []*field
	ETag    string
	Once    string
	Message string
}

// Name is what has to be typed.
func (p *actionPage) Name() string { return title(&p.Key) }

// action returns the page of the address's action, for the key of the address.
func (v *visit) action() (*actionPage, error) {
	all := actions()
	i := slices.IndexFunc(all, func(a action) bool { return a.Name == v.r.PathValue("action") })
	if i < 0 {
		return nil, errNotFound
	}
	if err := errors.Join(v.plain(), v.must(all[i].right)); err != nil {
		return nil, err
	}
	k, etag, err := v.key()
	if err != nil {
		return nil, err
	}
	p := &actionPage{Action: all[i], Key: k, ETag: etag, Once: once()}
	if p.Action.fields != nil {
		p.Fields = p.Action.fields()
	}
	if p.Action.Typed {
		p.Typed = &field{Name: "typed", Label: "Type “" + p.Name() + "” to go on", Kind: "text", Complete: "off", Required: true}
	}
	if !v.fresh(p.Action.right) {
		p.Proof = v.proofFields()
	}
	if p.Action.Name == reduceName {
		return p, v.reduced(p)
	}
	return p, nil
}

// proofFields are those that prove the person again.
func (v *visit) proofFields() []*field {
	all := []*field{{Name: "fresh_password", Label: "Your password", Kind: "password", Complete: "current-password", Required: true}}
	if v.me.Account.Factor {
		all = append(all, &field{Name: "fresh_code", Label: "Code of your authenticator", Hint: "Or a recovery code.", Kind: "text", Complete: "one-time-code", Required: true})
	}
	return all
}

func (v *visit) showAction() error {
	p, err := v.action()
	if err != nil {
		return err
	}
	v.render(http.StatusOK, page{Title: p.Action.Title + " " + p.Name(), Active: "keys"}, p)
	return nil
}

// act does it. What a reload sends again is answered by what came of it before: the
// API knows it by its Idempotency-Key.
func (v *visit) act() error {
	p, err := v.action()
	if err != nil {
		if kind(err) == problem.NotFound && v.field("once") != "" && v.r.PathValue("action") == "delete" {
			return v.deleted() // a reload
		}
		return err
	}
	p.Once, p.ETag = v.field("once"), v.field("etag")
	for _, f := range p.Fields {
		f.Value = v.field(f.Name)
	}
	switch {
	case p.Typed != nil && v.field("typed") != strings.TrimSpace(p.Name()):
		p.Typed.Error = "this is not its name"
		return v.notDone(p, http.StatusBadRequest, "Nothing was changed.")
	case len(p.Proof) == 0:
	case v.form.Get("fresh_password") == "":
		return v.notDone(p, http.StatusForbidden, "Prove that it is you: this wants a login of the last 10 minutes.")
	default:
		if err := v.prove(); err != nil {
			return v.unproved(p, err)
		}
		p.Proof = nil
	}
	return v.perform(p)
}

// unproved shows the page again when the proof did not hold.
func (v *visit) unproved(p *actionPage, err error) error {
	status := statusOf(err)
	if status != http.StatusUnauthorized && status != http.StatusTooManyRequests && status != http.StatusBadRequest {
		return err
	}
	v.later(err)
	return v.notDone(p, status, "Nothing was changed. "+detail(err))
}

func (v *visit) notDone(p *actionPage, status int, message string) error {
	p.Message = message
	v.render(status, page{Title: p.Action.Title + " " + p.Name(), Active: "keys"}, p)
	return nil
}

// perform asks the API, and shows what came of it.
func (v *visit) perform(p *actionPage) error {
	q := question{method: http.MethodPost, path: "/v1/keys/" + p.Key.ID + p.Action.verb, header: fields("Idempotency-Key", p.Once), body: p.Action.body(v, &p.Key)}
	switch p.Action.Name {
	case "roll":
		q.header.Set("If-Match", p.ETag)
		var made client.KeyMade
		out, err := v.ask(q, &made)
		if err != nil {
			return v.refusedAction(p, err)
		}
		return v.reveal(out, &made, "Key rolled")
	case reduceName:
		q.method, q.body = http.MethodPatch, client.KeyPatch{Scopes: &p.Left}
		q.header.Set("If-Match", p.ETag)
		if _, err := v.ask(q, nil); err != nil {
			return v.refusedAction(p, err)
		}
		v.redirect(keyAddress(p.Key.ID).text)
		return nil
	case "delete":
		q.method = http.MethodDelete
		if _, err := v.ask(q, nil); err != nil {
			return v.refusedAction(p, err)
		}
		return v.deleted()
	}
	var changed client.KeyChanged
	if _, err := v.ask(q, &changed); err != nil {
		return v.refusedAction(p, err)
	}
	v.render(http.StatusOK, page{Title: p.Action.Done, Active: "keys"}, donePage{p.Action.Done, &changed})
	return nil
}

// refusedAction shows the page again with what the API said.
func (v *visit) refusedAction(p *actionPage, err error) error {
	r, ok := errors.AsType[*refusal](err)
	switch k := kind(err); {
	case !ok:
		return err
	case k == problem.FreshLogin:
		p.Proof = v.proofFields()
		return v.notDone(p, http.StatusForbidden, detail(err))
	case k == problem.ChangedMeanwhile:
		if _, p.ETag, err = v.key(); err != nil {
			return err
		}
		p.Once = once()
		return v.notDone(p, http.StatusPreconditionFailed, "Somebody else has changed this key since you opened this page. Look at it, then decide again.")
	case !formFault(k):
		return err
	}
	f := form{Groups: []group{{Fields: p.Fields}}}
	message := []string{detail(err)}
	for _, one := range f.blame(r.Errors) {
		message = append(message, one.Field+": "+one.Message+".")
	}
	return v.notDone(p, int(r.Status), strings.Join(message, " "))
}

// A donePage tells what was done, and where it holds.
type donePage struct {
	Text    string
	Changed *client.KeyChanged // nil for a key that is no more
}

func (v *visit) deleted() error {
	v.render(http.StatusOK, page{Title: "The key is deleted.", Active: "keys"}, donePage{Text: "The key is deleted."})
	return nil
}
