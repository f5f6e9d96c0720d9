package main

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/keyimport"
)

// importSize is about how long one request with keys is, in bytes: what a server
// takes at least, with room for what is around them.
const importSize = 2 << 20

// importRemote is keys import on a server: the file is read and checked here, and
// sent in batches, each of which is written whole or not at all.
func importRemote(cmd *cobra.Command, p *process, into keyimport.Config, checked *keyimport.Report, form format) error {
	r, err := openRemote(cmd, p, "")
	if err != nil {
		return err
	}
	defer r.Close()
	importer, err := checkingImporter(into)
	if err != nil {
		return err
	}
	into.Done.Store(0)
	bar := newProgress(p, func() string { return importBar(into.Done.Load(), int64(checked.Read)) })
	var there []error
	report, err := importer.Send(cmd.Context(), importSize, weighEntry, func(ctx context.Context, entries []keyimport.Numbered) (imported, present int, err error) {
		answer, err := r.sendEntries(ctx, entries, &into)
		for _, i := range answer.PresentEntries {
			if !into.Resume && i >= 0 && int(i) < len(entries) {
				there = append(there, keyimport.IsPresent(entries[i].At))
			}
		}
		return int(answer.Imported), int(answer.Present), err
	})
	bar.end()
	switch {
	case into.Look && err == nil:
		return lookedUp(p, report, there, form)
	case err != nil:
		return importFailure(report, err)
	}
	if err := printImport(p, form, report, false); err != nil {
		return err
	}
	hintFormats(p, nil, report)
	return nil
}

// weighEntry is about how long an entry is on its way: at most, as for its text.
func weighEntry(e *keyimport.Entry) int {
	n := 768 + 2*len(e.Digest) + len(e.Name) + len(e.Owner) + 96*len(e.Limits)
	for _, scope := range e.Scopes {
		n += len(scope) + 3
	}
	for name, value := range e.Metadata {
		n += 2 * (len(name) + len(value) + 6)
	}
	return n
}

// sendEntries sends one batch. A server that is away is told apart from one that
// refuses.
func (r *remote) sendEntries(ctx context.Context, entries []keyimport.Numbered, into *keyimport.Config) (client.Imported, error) {
	// A dry run goes on behind keys that are there: all are told.
	body := client.ImportKeysRequest{Entries: make([]client.ImportEntry, len(entries)), Resume: into.Resume || into.Look, DryRun: into.Look}
	for i := range entries {
		body.Entries[i] = remoteEntry(&entries[i], into)
	}
	answer, err := r.ImportKeys(ctx, body)
	if err != nil {
		return client.Imported{}, r.entriesFailure(ctx, err, entries)
	}
	return answer.Value, nil
}

func remoteEntry(e *keyimport.Numbered, into *keyimport.Config) client.ImportEntry {
	out := client.ImportEntry{
		Number: int64(e.Number), Name: e.Name, Owner: e.Owner, Environment: string(e.Environment), Scopes: e.Scopes, Disabled: e.Disabled,
		Plan: e.Plan, Limits: remoteLimits(e.Limits), Metadata: e.Metadata,
	}
	if out.Environment == "" {
		out.Environment = string(into.Environment)
	}
	if !e.Expires.IsZero() {
		out.Expires = &e.Expires
	}
	if e.Format == "" {
		out.Key.Text = e.Text
	} else {
		out.Format, out.Digest = e.Format, client.NewText(hex.EncodeToString(e.Digest))
	}
	return out
}

// entriesFailure names the entries by their places in the file.
func (r *remote) entriesFailure(ctx context.Context, err error, entries []keyimport.Numbered) error {
	p, ok := errors.AsType[*client.Problem](err)
	if !ok || len(p.Errors) == 0 {
		return r.failure(ctx, err, "keys import")
	}
	var errs []error
	for _, f := range p.Errors {
		place, field, _ := strings.Cut(strings.TrimPrefix(f.Field, "entries["), "].")
		there := strings.HasPrefix(f.Message, "is there already")
		if i, err := strconv.Atoi(strings.TrimSuffix(place, "]")); err == nil && i >= 0 && i < len(entries) {
			if place = entries[i].At; !there {
				place = entries[i].Place(field)
			}
		}
		if there {
			errs = append(errs, keyimport.IsPresent(place))
			continue
		}
		errs = append(errs, &keyimport.FieldError{At: place, Field: printable(field), Reason: printable(f.Message)})
	}
	return errors.Join(errs...)
}
