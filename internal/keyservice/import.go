package keyservice

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/keyimport"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/secret"
)

// ImportPattern takes longer bodies than the others, as [BatchPattern] does.
const ImportPattern = "POST /v1/keys:import"

// An ImportEntry is one key of another system: its text, or what that system has
// of it.
type ImportEntry struct {
	Number      int64             `json:"number" doc:"of the entry in the file, from 0: the key's id is made of it" minimum:"0" maximum:"900000000" example:"0"`
	Key         string            `json:"key,omitempty" format:"password" doc:"the text; what is stored is its digest under the pepper" maxLength:"512" example:"k-5f2b9d0e7c41"`
	Format      string            `json:"format,omitempty" doc:"of digest, where the text is not known" enum:"sha256,sha512"`
	Digest      string            `json:"digest,omitempty" format:"password" doc:"in hexadecimal" maxLength:"128"`
	Name        string            `json:"name,omitempty" maxLength:"128"`
	Owner       string            `json:"owner,omitempty" maxLength:"128"`
	Environment string            `json:"environment,omitempty" doc:"default live" maxLength:"16"`
	Scopes      []string          `json:"scopes,omitempty" nullable:"false" maxItems:"100"`
	Expires     *time.Time        `json:"expires,omitempty"`
	Disabled    bool              `json:"disabled,omitempty"`
	Plan        string            `json:"plan,omitempty" maxLength:"40"`
	Limits      []Limit           `json:"limits,omitempty" nullable:"false" maxItems:"10"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

// Imported is what came of an import.
type Imported struct {
	Imported int `json:"imported" doc:"keys that were written, or would be" example:"998"`
	Present  int `json:"present" doc:"keys that were there already, and are as they were" example:"2"`

	PresentEntries []int `json:"present_entries,omitempty" nullable:"false" doc:"of a dry run with resume: the places of those in entries, from 0"`
}

func (s *Service) importKeys(ctx context.Context, c *caller, in *struct {
	Body struct {
		Entries []ImportEntry `json:"entries" nullable:"false" minItems:"1" maxItems:"1000"`
		Resume  bool          `json:"resume,omitempty" doc:"pass over keys that are there already: of an import that was interrupted"`
		DryRun  bool          `json:"dry_run,omitempty" doc:"judge the entries, look which keys are there already, and write nothing"`
	}
},
) (*answer[Imported], error) {
	store, ok := s.cfg.Store.(keyimport.Store)
	if !ok || s.cfg.Peppers == nil {
		return nil, fail(problem.Unavailable, "Nothing takes keys of other systems here.")
	}
	entries := make([]keyimport.Numbered, len(in.Body.Entries))
	var r reader
	for i := range in.Body.Entries {
		entries[i] = in.Body.Entries[i].entry(&r, "entries["+strconv.Itoa(i)+"]")
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	report, err := keyimport.Take(ctx, keyimport.Config{
		Store: store, Peppers: s.cfg.Peppers, By: c.by(), Prefix: s.cfg.Prefix, Resume: in.Body.Resume, Look: in.Body.DryRun,
	}, entries)
	if err != nil {
		return nil, importFailure(err)
	}
	return &answer[Imported]{Body: Imported{report.Imported, report.Present, report.There}}, nil
}

// entry is e for the importer, at its place in the body.
func (e *ImportEntry) entry(r *reader, at string) keyimport.Numbered {
	n := keyimport.Numbered{Number: int(e.Number), Entry: keyimport.Entry{
		At: at, Name: e.Name, Owner: e.Owner, Environment: apikey.Environment(e.Environment), Scopes: e.Scopes,
		Disabled: e.Disabled, Plan: e.Plan, Limits: r.limits(at+".limits", e.Limits), Metadata: e.Metadata,
	}}
	if e.Expires != nil {
		n.Expires = e.Expires.UTC()
	}
	switch digest, err := hex.DecodeString(e.Digest); {
	case (e.Key == "") == (e.Digest == ""):
		r.fault(at+".key", "want either this or digest")
	case e.Key != "" && e.Format != "":
		r.fault(at+".format", "is for a digest")
	case e.Key != "":
		n.Text = secret.New(e.Key)
	case err != nil:
		r.fault(at+".digest", "want hexadecimal")
	case e.Format == "":
		r.fault(at+".format", "is missing: which digest is it?")
	default:
		n.Format, n.Digest = e.Format, digest
	}
	return n
}

// importFailure names the entries by their places in the body, which is all that
// the errors say beside words of ours.
func importFailure(err error) error {
	faults := importFaults(err)
	if len(faults) == 0 {
		return err
	}
	return invalid(faults[:min(len(faults), maxFaults)]...)
}

func importFaults(err error) (faults []Fault) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			faults = append(faults, importFaults(one)...)
		}
		return faults
	}
	if errors.Is(err, keyimport.ErrPresent) {
		at, _, _ := strings.Cut(err.Error(), ": ")
		return []Fault{{at, "is there already: say resume to pass over it"}}
	}
	if field, ok := errors.AsType[*keyimport.FieldError](err); ok {
		name := field.Field
		switch name { // as the body calls it
		case "hash":
			name = "digest"
		case "ratelimits":
			name = "limits"
		}
		faults = append(faults, Fault{field.At + "." + name, field.Reason})
	}
	return faults
}

// addImport registers the operation.
func (s *Service) addImport() {
	register(s, endpoint{
		id: "importKeys", method: http.MethodPost, path: "/v1/keys:import", tag: "keys", right: ImportKeys, also: bodyAlso(),
		summary: "Take up to 1000 keys of another system over: all or none", description: "Their holders go on with the texts that they have, once keys.legacy_formats lists what they are. Ask again with resume when an answer was lost: no key is made twice.",
	}, s.importKeys)
}
