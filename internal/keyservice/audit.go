package keyservice

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/warder-dev/warder/audit"
)

// Entry is one link of the audit's chain.
type Entry struct {
	Seq     int64           `json:"seq" doc:"1, 2, 3 and so on, without a gap" example:"17"`
	At      time.Time       `json:"at" example:"2026-11-28T12:00:00Z"`
	Actor   string          `json:"actor" doc:"who" example:"admin-token"`
	Source  string          `json:"source" doc:"from where" example:"127.0.0.1"`
	Op      string          `json:"op" doc:"what was done" example:"revoke"`
	Kind    string          `json:"kind" doc:"to what sort of thing" example:"key"`
	Subject string          `json:"subject" doc:"to which one" example:"7HqLk2mVxWcP"`
	Before  json.RawMessage `json:"before,omitempty" doc:"what it was; never a secret"`
	After   json.RawMessage `json:"after,omitempty" doc:"what it is; never a secret"`
	Prev    string          `json:"prev" doc:"the hash of the entry before" example:"0000000000000000000000000000000000000000000000000000000000000000"`
	Hash    string          `json:"hash" doc:"SHA-256 of this entry, with prev" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
}

// EntryPage is a part of the audit.
type EntryPage struct {
	Entries []Entry `json:"entries" nullable:"false"`
	Next    string  `json:"next,omitempty" doc:"the cursor of the next page; absent on the last" example:"AQAB"`
}

// AuditFilter is what a list or an export of the audit asks for.
type AuditFilter struct {
	Actor   string    `query:"actor" doc:"as it stands in the entry" maxLength:"200"`
	Op      string    `query:"op" doc:"such as revoke" maxLength:"64"`
	Kind    string    `query:"kind" doc:"such as key, credits or account" maxLength:"64"`
	Subject string    `query:"subject" doc:"such as the id of a key" maxLength:"200"`
	Since   time.Time `query:"since" doc:"not before it"`
	Until   time.Time `query:"until" doc:"before it"`
	After   int64     `query:"after" doc:"only entries beyond this one, by its seq: later ones, or earlier ones in a list with the newest first" minimum:"0"`
}

func (f *AuditFilter) query() audit.Query {
	return audit.Query{Actor: f.Actor, Op: f.Op, Kind: f.Kind, Subject: f.Subject, Since: f.Since, Until: f.Until, After: f.After}
}

// parts are what a cursor of the audit belongs to.
func (f *AuditFilter) parts(order string) []string {
	return []string{"audit", f.Actor, f.Op, f.Kind, f.Subject, f.Since.UTC().Format(time.RFC3339Nano), f.Until.UTC().Format(time.RFC3339Nano), strconv.FormatInt(f.After, 10), order}
}

var errNoAudit = errors.New("keyservice: nothing reads the audit here")

func (s *Service) listAudit(ctx context.Context, _ *caller, in *struct {
	AuditFilter
	Order  string `query:"order" enum:"newest,oldest" doc:"which first; default newest"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" doc:"entries in a page; default 100"`
	Cursor string `query:"cursor" doc:"next of the page before, with the same filter and order" maxLength:"128"`
},
) (*answer[EntryPage], error) {
	if s.cfg.Audit == nil {
		return nil, errNoAudit
	}
	q := in.query()
	q.Newest, q.Limit = in.Order != "oldest", in.Limit
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	parts := in.parts(in.Order)
	if in.Cursor != "" {
		place, ok := openCursor(in.Cursor, parts...)
		if !ok || len(place) != 8 {
			return nil, invalid(Fault{"cursor", "want next of a page with the same filter and order"})
		}
		q.After = int64(binary.BigEndian.Uint64(place)) //nolint:gosec // written the same way
	}
	entries, err := s.cfg.Audit.List(ctx, q)
	if err != nil {
		return nil, err
	}
	page := EntryPage{Entries: make([]Entry, len(entries))}
	for i := range entries {
		page.Entries[i] = entryOf(&entries[i])
	}
	if n := len(entries); n == q.Limit {
		page.Next = sealCursor(binary.BigEndian.AppendUint64(nil, uint64(entries[n-1].Seq)), parts...) //nolint:gosec // a count
	}
	return &answer[EntryPage]{Body: page}, nil
}

func entryOf(e *audit.Entry) Entry {
	return Entry{
		Seq: e.Seq, At: e.At.UTC(), Actor: e.Actor, Source: e.Source, Op: e.Op, Kind: e.Kind, Subject: e.Subject, Before: e.Before, After: e.After,
		Prev: e.Prev.String(), Hash: e.Hash.String(),
	}
}

// What the document shows of an export: a log of one entry, which verifies.
const (
	exampleLine = `{"seq":1,"at":"2026-11-28T12:00:00.000000Z","actor":"admin-token","source":"127.0.0.1","op":"disable","kind":"key","subject":"7HqLk2mVxWcP",` +
		`"before":"{\"id\":\"7HqLk2mVxWcP\"}","after":"{\"id\":\"7HqLk2mVxWcP\",\"disabled\":true}","prev":"` + exampleStart + `","hash":"` + exampleHash + `"}` + "\n"
	exampleTable = "seq,at,actor,source,op,kind,subject,before,after,prev,hash\n" +
		`1,2026-11-28T12:00:00.000000Z,admin-token,127.0.0.1,disable,key,7HqLk2mVxWcP,"{""id"":""7HqLk2mVxWcP""}","{""id"":""7HqLk2mVxWcP"",""disabled"":true}",` +
		exampleStart + "," + exampleHash + "\n"
	exampleStart = "0000000000000000000000000000000000000000000000000000000000000000"
	exampleHash  = "0d85c033b03f6be76efec1345c23da18cf9713b7d22742230e7b46660c78fdce"
)

// exportAudit streams the whole log, or what of it is asked for. It ends early when
// the store gives no answer any more: then the connection is cut, so that nobody
// takes it for whole.
func (s *Service) exportAudit(ctx context.Context, in *struct {
	AuditFilter
	Format string `query:"format" enum:"jsonl,csv" doc:"jsonl can be verified offline; csv is for people; default jsonl"`
},
) (*huma.StreamResponse, error) {
	if s.cfg.Audit == nil {
		return nil, s.failed(ctx, callerOf(ctx), "exportAudit", errNoAudit)
	}
	q := in.query()
	q.Limit = audit.MaxPage
	first, err := s.cfg.Audit.List(ctx, q)
	if err != nil {
		return nil, s.failed(ctx, callerOf(ctx), "exportAudit", err)
	}
	return &huma.StreamResponse{Body: func(to huma.Context) {
		kind, out := "application/x-ndjson", audit.NewJSONWriter(to.BodyWriter())
		if in.Format == "csv" {
			kind, out = "text/csv; charset=utf-8", audit.NewCSVWriter(to.BodyWriter())
		}
		to.SetHeader("Content-Type", kind)
		to.SetStatus(http.StatusOK)
		if err := s.export(ctx, q, first, out); err != nil {
			_ = s.failed(ctx, callerOf(ctx), "exportAudit", err) // the answer has begun
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// export writes page after page, in flat memory.
func (s *Service) export(ctx context.Context, q audit.Query, page []audit.Entry, out *audit.Writer) error {
	for {
		for i := range page {
			if err := out.Write(&page[i]); err != nil {
				return err
			}
		}
		if len(page) < q.Limit {
			return out.Flush()
		}
		q.After = page[len(page)-1].Seq
		var err error
		if page, err = s.cfg.Audit.List(ctx, q); err != nil {
			return err
		}
	}
}

// addAudit registers what reads the audit.
func (s *Service) addAudit() {
	const tag = "audit"
	register(s, endpoint{id: "listAudit", method: http.MethodGet, path: "/v1/audit", tag: tag, right: ReadAudit, summary: "List who changed what, a page at a time"}, s.listAudit)
	op := s.operation(endpoint{id: "exportAudit", method: http.MethodGet, path: "/v1/audit:export", tag: tag, right: ReadAudit, summary: "Export the audit", description: "As JSON, an entry a line, it can be verified offline by warder audit verify, and by a short script of your own."})
	op.Responses["200"] = &huma.Response{
		Description: "The entries, the oldest first.",
		Content: map[string]*huma.MediaType{
			"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString, Examples: []any{exampleLine}}},
			"text/csv":             {Schema: &huma.Schema{Type: huma.TypeString, Examples: []any{exampleTable}}},
		},
	}
	huma.Register(s.api, op, s.exportAudit)
}
