package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/config"
)

// withAuditLog calls use with the log of the database, or of --server.
func withAuditLog(cmd *cobra.Command, p *process, use func(log audit.Reader) error) error {
	if !isRemote(cmd) {
		return withDatabase(cmd, p, func(_ *config.Config, db *database) error { return use(db.Audit()) })
	}
	r, err := openRemote(cmd, p, "")
	if err != nil {
		return err
	}
	defer r.Close()
	return use(remoteAudit{r})
}

// A remoteAudit is the log of a server.
type remoteAudit struct{ *remote }

// List asks for one page.
func (r remoteAudit) List(ctx context.Context, q audit.Query) ([]audit.Entry, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	asked := client.ListAuditParams{
		Actor: q.Actor, Op: q.Op, Kind: q.Kind, Subject: q.Subject, Since: q.Since, Until: q.Until, After: q.After, Limit: int64(q.Limit), Order: "oldest",
	}
	if q.Newest {
		asked.Order = "newest"
	}
	page, err := r.ListAudit(ctx, asked)
	if err != nil {
		return nil, r.failure(ctx, err, "audit")
	}
	entries := make([]audit.Entry, len(page.Value.Entries))
	for i := range page.Value.Entries {
		if entries[i], err = entryOf(&page.Value.Entries[i]); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// Head is the last entry's.
func (r remoteAudit) Head(ctx context.Context) (audit.Head, error) {
	last, err := r.List(ctx, audit.Query{Newest: true, Limit: 1})
	if err != nil || len(last) == 0 {
		return audit.Head{}, err
	}
	return last[0].Head(), nil
}

func entryOf(e *client.Entry) (audit.Entry, error) {
	out := audit.Entry{Event: audit.Event{
		At: e.At, Actor: e.Actor, Source: e.Source, Op: e.Op, Kind: e.Kind, Subject: e.Subject, Before: stateOf(e.Before), After: stateOf(e.After),
	}, Seq: e.Seq}
	err := errors.Join(out.Prev.UnmarshalText([]byte(e.Prev)), out.Hash.UnmarshalText([]byte(e.Hash)))
	if err != nil {
		return out, fail(exitServer, "is it a warder of this version?", "audit: entry %d of the server's has a hash that is none", e.Seq)
	}
	return out, nil
}

// stateOf is what the server says of a state; nil for none.
func stateOf(text json.RawMessage) json.RawMessage {
	if len(text) == 0 {
		return nil
	}
	return text
}

// exportRemote is audit export on a server, as it comes.
func exportRemote(cmd *cobra.Command, p *process, form string, after int64) (err error) {
	r, err := openRemote(cmd, p, "")
	if err != nil {
		return err
	}
	defer r.Close()
	body, err := r.ExportAudit(cmd.Context(), client.ExportAuditParams{Format: form, After: after})
	if err != nil {
		return r.failure(cmd.Context(), err, "audit export")
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if _, err := io.Copy(p.stdout, body); err != nil {
		return fail(exitServer, "what was written is not whole: ask again", "audit export: %w", err)
	}
	return nil
}

// verifyServer verifies the log of a server: each entry is read from there, and
// judged here.
func (o *auditCheck) verifyServer(cmd *cobra.Command, p *process, keys audit.Keyring, checkpoints []audit.Checkpoint) (v chainVerdict, err error) {
	if err := keys.CheckAll(checkpoints); err != nil {
		return v, auditFailure(err)
	}
	r, err := openRemote(cmd, p, "")
	if err != nil {
		return v, err
	}
	defer r.Close()
	body, err := r.ExportAudit(cmd.Context(), client.ExportAuditParams{})
	if err != nil {
		return v, r.failure(cmd.Context(), err, "audit verify")
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	chain := audit.NewChain(checkpoints)
	err = audit.ReadExport(body, chain.Add)
	if err == nil {
		err = chain.End()
	}
	if err != nil && !errors.Is(err, audit.ErrBroken) {
		return v, fail(exitServer, "ask again", "audit verify: %w", fmt.Errorf("%s: %w", r.server, err))
	}
	head := chain.Head()
	return chainVerdict{From: min(1, head.Seq), To: head.Seq, Hash: head.Hash, Checkpoints: len(checkpoints)}, auditFailure(err)
}
