package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/config"
)

// What the text of a key of another system has at least and at most, in bytes: what an
// import takes.
const (
	minImportedText = 16
	maxImportedText = 512
)

// maybeImported reports whether text could be that of a key of another system: other
// texts are not looked up.
func maybeImported(text string) bool {
	return len(text) >= minImportedText && len(text) <= maxImportedText && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// noKeyText is for a text that is no key of anybody.
func noKeyText() error {
	return fail(exitUsage, "copy it again, whole", "standard input holds no key: its form or its check digits are wrong, and no key of another system was imported with this text")
}

// importedID finds the key of another system with this text.
func importedID(cmd *cobra.Command, p *process, text string) (id apikey.ID, err error) {
	if !maybeImported(text) {
		return "", noKeyText()
	}
	if isRemote(cmd) {
		return searchRemote(cmd, p, text)
	}
	err = withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
		peppers, err := peppersOf(cmd.Context(), p, cfg, db)
		if err != nil {
			return err
		}
		id, err = findImported(cmd.Context(), db.APIKeys(), peppers, text)
		return err
	})
	return id, err
}

func findImported(ctx context.Context, store apikey.LegacyStore, peppers *apikey.Peppers, text string) (apikey.ID, error) {
	id, err := apikey.FindImported(ctx, store, peppers, text)
	if errors.Is(err, apikey.ErrNotFound) {
		return "", noKeyText()
	}
	return id, err
}

// searchRemote finds it on a server.
func searchRemote(cmd *cobra.Command, p *process, text string) (apikey.ID, error) {
	r, err := openRemote(cmd, p, "-")
	if err != nil {
		return "", err
	}
	defer r.Close()
	found, err := r.SearchKey(cmd.Context(), client.SearchKeyRequest{Text: client.NewText(text)})
	if problem, ok := errors.AsType[*client.Problem](err); ok && len(problem.Errors) == 1 && problem.Errors[0].Field == "text" {
		return "", noKeyText()
	}
	if err != nil {
		return "", r.failure(cmd.Context(), err, "keys")
	}
	return apikey.ID(found.Value.Key.ID), nil
}

// untakenImport tells of a text that proves nobody whether it is that of an imported
// key, which this configuration does not take; nil when it is not.
func untakenImport(ctx context.Context, cfg *config.Config, db *database, peppers *apikey.Peppers, text string) (*verdict, error) {
	if !maybeImported(text) {
		return nil, nil //nolint:nilnil // it is none
	}
	id, err := apikey.FindImported(ctx, db.APIKeys(), peppers, text)
	if errors.Is(err, apikey.ErrNotFound) {
		return nil, nil //nolint:nilnil // it is none
	}
	if err != nil {
		return nil, fail(exitServer, "", "keys verify: %w", err)
	}
	record, err := findKey(ctx, db.APIKeys(), id)
	if err != nil || len(record.Secrets) == 0 {
		return nil, err
	}
	form := record.Secrets[0].Format
	if slices.Contains(cfg.Keys.LegacyFormats, form) {
		return nil, nil //nolint:nilnil // another reason
	}
	return &verdict{Reason: "format", ID: string(id), Owner: record.Owner}, fail(exitDenied,
		"add "+form+" to keys.legacy_formats of the configuration, and name the file by --config",
		"the key was imported as %s, which this configuration does not take: the gateway refuses it", form)
}
