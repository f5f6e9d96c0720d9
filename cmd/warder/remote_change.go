package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/fleet"
)

// updateRemote is keys update on a server.
func updateRemote(cmd *cobra.Command, p *process, argument string, id apikey.ID, o *updateOptions, patch *apikey.Patch, form format) error {
	bound, err := o.bound()
	if err != nil {
		return err
	}
	wait, err := remoteWait(bound)
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
	body, match := remotePatch(patch, &found), ifMatch(o.revision)
	if body.Metadata != nil && o.revision == 0 { // of all notes, which were read a moment ago
		match = ifMatch(found.Revision)
	}
	changed, err := r.UpdateKey(cmd.Context(), string(id), client.UpdateKeyParams{IfMatch: match, IdempotencyKey: rand.Text(), Wait: wait}, body)
	if err != nil {
		return r.failure(cmd.Context(), err, "the key is not updated")
	}
	return printTurned(p, form, r.server, remoteTurn{
		done: "updated", same: "Nothing was to be changed.", already: func(before *client.Key) bool { return before.Revision == changed.Value.Key.Revision },
	}, &found, &changed.Value)
}

// remotePatch is a patch as the API has it, for the key that was found.
func remotePatch(patch *apikey.Patch, found *client.Key) client.KeyPatch {
	k := client.KeyPatch{
		Name: patch.Name, Owner: patch.Owner, Plan: patch.Plan, Scopes: wholeList(patch.Scopes), Methods: wholeList(patch.Methods), Paths: wholeList(patch.Paths),
		Origins: wholeList(patch.Origins), Expires: patch.Expires,
	}
	if patch.Expires != nil && patch.Expires.IsZero() {
		k.Expires, k.NeverExpires = nil, new(true)
	}
	if patch.Certificate != nil {
		k.Certificate = new("")
		if *patch.Certificate != [32]byte{} {
			k.Certificate = new(sumPrefix + hex.EncodeToString(patch.Certificate[:]))
		}
	}
	if patch.Addresses != nil {
		all := make([]string, len(*patch.Addresses))
		for i, a := range *patch.Addresses {
			all[i] = a.String()
		}
		k.Addresses = &all
	}
	if patch.Limits != nil {
		k.Limits = new(remoteLimits(*patch.Limits))
	}
	if patch.IdleRevoke != nil {
		k.IdleRevoke = new("")
		if *patch.IdleRevoke > 0 {
			k.IdleRevoke = new(patch.IdleRevoke.String())
		}
	}
	if len(patch.SetMetadata) > 0 {
		notes := make(map[string]string)
		maps.Copy(notes, found.Metadata)
		for name, value := range patch.SetMetadata {
			if delete(notes, name); value != nil {
				notes[name] = *value
			}
		}
		k.Metadata = &notes
	}
	return k
}

// wholeList is a list that goes out as one, even when it is empty.
func wholeList(texts *[]string) *[]string {
	if texts != nil && *texts == nil {
		return &[]string{}
	}
	return texts
}

func remoteLimits(quotas []exchange.Quota) []client.Limit {
	all := []client.Limit{}
	for _, q := range quotas {
		l := client.Limit{Name: q.Name, Count: int64(q.Count), Per: q.Per.String()}
		if q.Burst > 0 {
			l.Burst = new(int64(q.Burst))
		}
		all = append(all, l)
	}
	return all
}

// deleteRemote is keys delete on a server.
func deleteRemote(cmd *cobra.Command, p *process, argument string, id apikey.ID, o *changeFlags, form format) error {
	bound, err := o.bound()
	if err != nil {
		return err
	}
	wait, err := remoteWait(bound)
	if err != nil {
		return err
	}
	r, err := openRemote(cmd, p, argument)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := r.key(cmd.Context(), id); err != nil {
		return err
	}
	deleted, err := r.DeleteKey(cmd.Context(), string(id), client.DeleteKeyParams{IfMatch: ifMatch(o.revision), IdempotencyKey: rand.Text(), Wait: wait})
	if err != nil {
		return r.failure(cmd.Context(), err, "the key is not deleted")
	}
	done := revocation{database: r.server, done: "deleted", whole: deleted.Value.Receipt.Complete, receipt: receiptOf(&deleted.Value.Receipt)}
	return done.printDeleted(p, form, id)
}

// receiptOf is a receipt of the API's.
func receiptOf(receipt *client.Receipt) fleet.Receipt {
	r := fleet.Receipt{
		Revision: apikey.Revision(receipt.Revision), Nodes: int(receipt.Nodes), Applied: int(receipt.Applied), Took: time.Duration(receipt.TookMS) * time.Millisecond,
	}
	for _, n := range receipt.Missing {
		r.Missing = append(r.Missing, fleet.Node{ID: n.ID, Host: n.Host, PID: int(n.PID)})
	}
	return r
}

// verifyRemote is keys verify on a server, which spends nothing either.
func verifyRemote(cmd *cobra.Command, p *process, argument, text string, use apikey.Use, form format) error {
	r, err := openRemote(cmd, p, argument)
	if err != nil {
		return err
	}
	defer r.Close()
	body := client.Use{Key: client.NewText(text), Method: use.Method, Target: use.Path, Origin: use.Origin, Public: use.Public, Dry: true}
	if use.Client.IsValid() {
		body.Address = use.Client.String()
	}
	answer, err := r.VerifyKey(cmd.Context(), body)
	if err != nil {
		return r.failure(cmd.Context(), err, "keys verify")
	}
	v, failure := remoteVerdict(&answer.Value)
	return errors.Join(failure, form.print(p.stdout, v, nil, func(w io.Writer) error { return printRows(w, v.rows()) }))
}

// remoteVerdict is a verdict of the server's as the command prints it.
func remoteVerdict(a *client.Verdict) (verdict, error) {
	v := verdict{Valid: a.Valid, Reason: a.Reason, Detail: a.Detail}
	if pr := a.Principal; pr != nil {
		v.ID, v.Owner, v.Environment, v.Scopes, v.Plan, v.Retiring = pr.ID, pr.Owner, pr.Environment, pr.Scopes, pr.Plan, pr.Retiring
		if pr.Secret != nil {
			v.Secret = int(*pr.Secret)
		}
		if pr.Expires != nil {
			v.Expires = new(pr.Expires.UTC().Truncate(time.Second))
		}
	}
	for _, l := range a.Limits {
		v.Limits = append(v.Limits, standingText(&l))
	}
	switch {
	case a.Valid:
		return v, nil
	case a.Code == "forbidden":
		return v, fail(exitDenied, "", "the key is not good for this: %s", a.Detail)
	case a.Code == "rate-limited":
		return v, fail(exitDenied, "", "the key has reached a limit of its own: %s", printable(a.Reason))
	case a.Reason == "": // the caller may not know more
		v.Reason = a.Code
	}
	return v, refusedFor(v.Reason)
}

func standingText(l *client.Standing) string {
	q := exchange.Quota{Name: l.Name, Count: int(l.Count), Per: remoteDuration(l.Per)}
	if l.Burst != l.Count { // the default
		q.Burst = int(l.Burst)
	}
	return config.QuotaText(q)
}

// refusedFor is how a command ends for a reason.
func refusedFor(reason string) error {
	switch reason {
	case "malformed":
		return fail(exitUsage, "copy it again, whole; a key of another system is taken when keys.legacy_formats of the configuration lists its form",
			"this is no key: its form or its check digits are wrong, and it is none of another system that is taken")
	case "unknown":
		return fail(exitNotFound, "", "no key has this id, or this text")
	case "certificate":
		return fail(exitDenied, "send a request with the certificate through the gateway", "the key is bound to a client certificate")
	default:
		return fail(exitDenied, "", "the key is not good: %s", printable(reason))
	}
}
