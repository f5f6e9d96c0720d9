package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/usage"
)

// createRemote is keys create on a server.
func createRemote(cmd *cobra.Command, p *process, o createOptions) error {
	form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID, asSecret)
	if err != nil {
		return err
	}
	spec, err := o.spec(time.Now())
	if err != nil {
		return err
	}
	r, err := openRemote(cmd, p, "")
	if err != nil {
		return err
	}
	defer r.Close()
	made, err := r.CreateKey(cmd.Context(), client.CreateKeyParams{IdempotencyKey: rand.Text()}, remoteSpec(&spec))
	if err != nil {
		return r.failure(cmd.Context(), err, "keys create")
	}
	if made.Replayed {
		return fail(exitServer, fmt.Sprintf("take it away by `warder keys revoke %s`, and make another", made.Value.Key.ID),
			"the key %s was made, but the answer with its text was lost", made.Value.Key.ID)
	}
	changes, err := o.credits.changes()
	if err != nil {
		return err
	}
	for _, c := range changes {
		if _, err := r.changeCredits(cmd.Context(), usage.Subject{Kind: usage.Key, ID: made.Value.Key.ID}, c); err != nil {
			return fail(exitServer, fmt.Sprintf("take it away by `warder keys revoke %s`, and make another", made.Value.Key.ID),
				"the key %s was made, but not its credits: %w", made.Value.Key.ID, err)
		}
	}
	return printMade(p, form, remoteView(&made.Value.Key), made.Value.Text.Text)
}

// remoteSpec is a spec as the API has it.
func remoteSpec(s *apikey.Spec) client.KeySpec {
	k := client.KeySpec{
		Environment: string(s.Environment), Kind: string(s.Kind), Name: s.Name, Owner: s.Owner, Scopes: s.Scopes, NeverExpires: s.Never, Metadata: s.Metadata,
		Methods: s.Methods, Paths: s.Paths, Origins: s.Origins, Plan: s.Plan,
	}
	if !s.Expires.IsZero() {
		k.Expires = &s.Expires
	}
	if s.Certificate != [32]byte{} {
		k.Certificate = sumPrefix + hex.EncodeToString(s.Certificate[:])
	}
	for _, a := range s.Addresses {
		k.Addresses = append(k.Addresses, a.String())
	}
	k.Limits = remoteLimits(s.Limits)
	if s.IdleRevoke > 0 {
		k.IdleRevoke = s.IdleRevoke.String()
	}
	return k
}

// listRemote is keys list, or find, on a server.
func listRemote(cmd *cobra.Command, p *process, o *listOptions, f apikey.Filter, form format) error {
	if o.after != "" {
		return fail(exitUsage, "read more at once with --limit", "--after is of a database, and --server has pages of its own")
	}
	r, err := openRemote(cmd, p, "")
	if err != nil {
		return err
	}
	defer r.Close()
	params := client.ListKeysParams{
		Owner: f.Owner, Environment: string(f.Environment), Kind: string(f.Kind), State: string(f.State), Plan: f.Plan, Text: f.Text,
		ExpiresBefore: f.ExpiresBefore, Sort: string(f.Sort), Limit: pageSize,
	}
	views := []keyView{}
	for more := true; more; {
		if o.limit > 0 {
			params.Limit = int64(min(pageSize, o.limit-len(views)))
		}
		page, err := r.ListKeys(cmd.Context(), params)
		if err != nil {
			return r.failure(cmd.Context(), err, "keys list")
		}
		for i := range page.Value.Keys {
			views = append(views, remoteView(&page.Value.Keys[i]))
		}
		params.Cursor = page.Value.Next
		more = params.Cursor != "" && (o.limit == 0 || len(views) < o.limit)
	}
	if o.sort == sortOldest {
		slices.SortStableFunc(views, func(a, b keyView) int { return a.Created.Compare(b.Created) })
	}
	return printList(p, form, views)
}

// showRemote is keys show on a server.
func showRemote(cmd *cobra.Command, p *process, argument string, id apikey.ID, form format) error {
	r, err := openRemote(cmd, p, argument)
	if err != nil {
		return err
	}
	defer r.Close()
	k, err := r.key(cmd.Context(), id)
	if err != nil {
		return err
	}
	v := remoteView(&k)
	return form.print(p.stdout, v, []apikey.ID{v.ID}, func(w io.Writer) error { return printRows(w, v.rows()) })
}

// A remoteTurn takes a right away on a server, or gives it back.
type remoteTurn struct {
	done    string // "revoked", "disabled", "enabled", "updated"
	already func(*client.Key) bool
	change  func(ctx context.Context, r *remote, id, wait string) (client.Result[client.KeyChanged], error)
	same    string // what to say where nothing was to be changed; "" for what is usual
}

// turnRemote is keys revoke, disable and enable on a server.
func turnRemote(cmd *cobra.Command, p *process, argument string, id apikey.ID, t remoteTurn, wait time.Duration, form format) error {
	text, err := remoteWait(wait)
	if err != nil {
		return err
	}
	r, err := openRemote(cmd, p, argument)
	if err != nil {
		return err
	}
	defer r.Close()
	found, err := r.key(cmd.Context(), id)
	if err != nil {
		return err
	}
	if found.Revoked != nil && t.done != "revoked" {
		return fail(exitUsage, "make another key", "the key is revoked, for good: it cannot be %s", t.done)
	}
	changed, err := t.change(cmd.Context(), r, string(id), text)
	if err != nil {
		return r.failure(cmd.Context(), err, "the key is not "+t.done)
	}
	return printTurned(p, form, r.server, t, &found, &changed.Value)
}

// printTurned prints what [revocation.print] does.
func printTurned(p *process, form format, server string, t remoteTurn, before *client.Key, changed *client.KeyChanged) error {
	out := revocation{
		database: server, told: new(remoteView(&changed.Key)), before: t.already(before), done: t.done, same: t.same, whole: changed.Receipt.Complete,
		receipt: receiptOf(&changed.Receipt),
	}
	if changed.Key.Revoked != nil {
		out.record.Revoked = *changed.Key.Revoked
	}
	return out.print(p, form)
}

func revokeOn(reason string) remoteTurn {
	return remoteTurn{
		done: "revoked", already: func(k *client.Key) bool { return k.Revoked != nil },
		change: func(ctx context.Context, r *remote, id, wait string) (client.Result[client.KeyChanged], error) {
			return r.RevokeKey(ctx, id, client.RevokeKeyParams{IdempotencyKey: rand.Text(), Wait: wait}, client.RevokeKeyRequest{Reason: reason})
		},
	}
}

// turnOn is a turn on a server.
func turnOn(t turn) remoteTurn {
	if t.name == "disable" {
		return remoteTurn{
			done: t.done, already: func(k *client.Key) bool { return k.State == string(apikey.Disabled) },
			change: func(ctx context.Context, r *remote, id, wait string) (client.Result[client.KeyChanged], error) {
				return r.DisableKey(ctx, id, client.DisableKeyParams{IdempotencyKey: rand.Text(), Wait: wait})
			},
		}
	}
	return remoteTurn{
		done: t.done, already: func(k *client.Key) bool { return k.State != string(apikey.Disabled) },
		change: func(ctx context.Context, r *remote, id, wait string) (client.Result[client.KeyChanged], error) {
			return r.EnableKey(ctx, id, client.EnableKeyParams{IdempotencyKey: rand.Text(), Wait: wait})
		},
	}
}

// A remoteCredits is the store of credits of a server, for the commands about them.
type remoteCredits struct{ *remote }

var errNoReserve = errors.New("credits are reserved by nodes only")

// Reserve is no command's.
func (r remoteCredits) Reserve(context.Context, time.Time, []usage.Ask) ([]usage.Grant, error) {
	return nil, errNoReserve
}

// Account asks for an account.
func (r remoteCredits) Account(ctx context.Context, s usage.Subject, _ time.Time) (usage.Account, error) {
	p := client.GetCreditsParams{Key: s.ID}
	if s.Kind == usage.Owner {
		p = client.GetCreditsParams{Owner: s.ID}
	}
	a, err := r.GetCredits(ctx, p)
	return accountOf(&a.Value), r.creditsFailure(ctx, err)
}

// Apply changes an account.
func (r remoteCredits) Apply(ctx context.Context, c usage.Change) (usage.Account, error) {
	a, err := r.changeCredits(ctx, c.Subject, c)
	return accountOf(&a), r.creditsFailure(ctx, err)
}

func (r *remote) changeCredits(ctx context.Context, s usage.Subject, c usage.Change) (client.Account, error) {
	key, owner := s.ID, ""
	if s.Kind == usage.Owner {
		key, owner = "", s.ID
	}
	var a client.Result[client.Account]
	var err error
	switch c.Op {
	case usage.OpSet:
		a, err = r.SetCredits(ctx, client.SetCreditsParams{IdempotencyKey: rand.Text()}, client.SetCreditsRequest{Key: key, Owner: owner, Credits: c.Amount})
	case usage.OpAdd:
		a, err = r.GrantCredits(ctx, client.GrantCreditsParams{IdempotencyKey: rand.Text()}, client.GrantCreditsRequest{Key: key, Owner: owner, Credits: c.Amount})
	case usage.OpRefill:
		a, err = r.SetRefill(ctx, client.SetRefillParams{IdempotencyKey: rand.Text()}, refillRequest(key, owner, c.Refill))
	default:
		return client.Account{}, fmt.Errorf("keys credits: there is no change %q", c.Op)
	}
	return a.Value, err
}

func refillRequest(key, owner string, refill usage.Refill) client.SetRefillRequest {
	request := client.SetRefillRequest{Key: key, Owner: owner, Every: string(refill.Every)}
	if refill.Every == usage.Never {
		request.Every = "never"
		return request
	}
	request.Amount = &refill.Amount
	if refill.Cap > 0 {
		request.Cap = &refill.Cap
	}
	if !refill.From.IsZero() {
		request.From = &refill.From
	}
	return request
}

// creditsFailure is an error of the API as the commands about credits know it.
func (r *remote) creditsFailure(ctx context.Context, err error) error {
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Kind() == "not-found" && r.IsAdminAPI(ctx) {
		return usage.ErrNoAccount
	}
	if err != nil {
		return r.failure(ctx, err, "keys credits")
	}
	return nil
}

func accountOf(a *client.Account) usage.Account {
	account := usage.Account{Subject: usage.Subject{Kind: usage.Kind(a.Kind), ID: a.ID}, Balance: a.Remaining, Held: a.Reserved, Spent: a.Spent, Lost: a.Lost}
	if a.Refill != nil {
		account.Refill = usage.Refill{Every: usage.Period(a.Refill.Every), Amount: a.Refill.Amount}
		if a.Refill.Cap != nil {
			account.Refill.Cap = *a.Refill.Cap
		}
		account.Next = a.Refill.Next
	}
	return account
}
