package keyservice

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/usage"
)

// HolderBody is the longest body of a holder's command, in bytes.
const HolderBody = 4 << 10

// HolderConfig configures a [Holder].
type HolderConfig struct {
	_ [0]func()

	Store    apikey.Store   // Required.
	Issuer   *apikey.Issuer // of Store. Required.
	Registry fleet.Registry // Required.
	Log      *slog.Logger   // Required.
	Credits  usage.Store    // nil: holders are not told of any

	Tokens *apikey.TokenIssuer // nil: no tokens are made
}

// A Holder is what the holder of a key may do with it, proved by the key itself: to
// look at it, to make tokens from it, to roll and to revoke it. A token that was made
// from the key can do none of it. Which key is meant is what the request
// proved, and nothing that it says: a parameter or a member that names another is
// refused as any that there is not. Its handlers want a Stack in front that proves a
// key. It is safe for concurrent use.
type Holder struct{ cfg HolderConfig }

// NewHolder reports what is missing in cfg.
func NewHolder(cfg HolderConfig) (*Holder, error) {
	if cfg.Store == nil || cfg.Issuer == nil || cfg.Registry == nil || cfg.Log == nil {
		return nil, errors.New("keyservice: the holder's commands lack Store, Issuer, Registry or Log")
	}
	return &Holder{cfg: cfg}, nil
}

// Own is what a holder is told of its key.
type Own struct {
	ID          string     `json:"id"`
	State       string     `json:"state"`
	Environment string     `json:"environment"`
	Name        string     `json:"name,omitempty"`
	Scopes      []string   `json:"scopes"`
	Created     time.Time  `json:"created"`
	Expires     *time.Time `json:"expires,omitempty"`
	Revoked     *time.Time `json:"revoked,omitempty"`
	Secrets     []Secret   `json:"secrets"`
	Limits      []Limit    `json:"limits,omitempty"`
	Credits     *int64     `json:"credits_remaining,omitempty"`
	Text        string     `json:"text,omitempty"` // the new key: in the answer to roll only
	Receipt     *Receipt   `json:"receipt,omitempty"`
}

// Show returns the handler of GET.
func (h *Holder) Show() http.Handler { return h.command(nil, h.show) }

// Roll returns the handler of the roll. The secret that is being replaced already
// rolls nothing: whoever has nothing else may be whom the roll was to keep out.
func (h *Holder) Roll() http.Handler {
	text := func(description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, MaxLength: new(32), Description: description}
	}
	return h.command(map[string]*huma.Schema{"overlap": text("how long the former text works on"), "idle_retire": text("its end, when unused")}, h.roll)
}

// Revoke returns the handler of the revocation.
func (h *Holder) Revoke() http.Handler {
	return h.command(map[string]*huma.Schema{"reason": {Type: huma.TypeString, MaxLength: new(64)}}, h.revoke)
}

// A holding is a holder's request.
type holding struct {
	*http.Request

	principal *exchange.Principal
	client    string
	body      []byte
}

func (r *holding) id() apikey.ID { return apikey.ID(r.principal.KeyID) }

func (r *holding) by() apikey.By {
	return apikey.By{Actor: "key:" + r.principal.KeyID, Source: r.client}
}

// command is [answerHolder] of the commands that answer with the key.
func (h *Holder) command(members map[string]*huma.Schema, run func(r *holding) (Own, error)) http.Handler {
	return answerHolder(h, members, run)
}

// answerHolder checks a request, whose body may have these members, and answers with
// what run returns.
func answerHolder[B any](h *Holder, members map[string]*huma.Schema, run func(r *holding) (B, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		if x == nil || x.Principal.KeyID == "" {
			exchange.Respond(w, r, exchange.Fail(nil).Problem(), "no-key", errors.New("keyservice: the holder's commands are not behind a Stack that proves keys"))
			return
		}
		if x.Principal.Token {
			h.refuse(w, x, fail(problem.Forbidden, "A token cannot do this: send the key that it was made from."))
			return
		}
		in := &holding{Request: r, principal: &x.Principal, client: x.Client.String()}
		var out B
		var err error
		if f := in.check(members); f != nil {
			err = f
		} else {
			out, err = run(in)
		}
		if err != nil {
			h.refuse(w, x, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_ = json.NewEncoder(w).Encode(out) // the client may be gone
	})
}

// check refuses every parameter, and members that are not listed.
func (r *holding) check(members map[string]*huma.Schema) *failure {
	k := checker{}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		k.fault("query", "cannot be read")
	}
	for name := range query {
		k.fault(fieldName(name), "is no parameter here")
	}
	if r.body, err = io.ReadAll(r.Body); err != nil {
		if _, over := errors.AsType[*http.MaxBytesError](err); over {
			return fail(problem.BodyTooLarge, bodylimit.TooLarge().Detail)
		}
		return fail(problem.InvalidBody, "The body broke off.")
	}
	switch kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case len(r.body) == 0:
	case members == nil:
		k.fault("body", "want none here")
	case err != nil || kind != "application/json" || r.Header.Get("Content-Encoding") != "":
		return fail(problem.NotJSON, "Send JSON, not compressed, with Content-Type: application/json.")
	case k.body(r.body, &huma.Schema{Type: huma.TypeObject, Properties: members, AdditionalProperties: false}) != nil:
		k.fault("body", "want one JSON object of UTF-8, and nothing behind it")
	}
	if len(k.faults) > 0 {
		return invalid(k.faults...)
	}
	return nil
}

// refuse answers with err.
func (h *Holder) refuse(w http.ResponseWriter, x *exchange.Exchange, err error) {
	f := failureOf(err)
	if f.kind == problem.Unavailable {
		h.cfg.Log.Error("a holder's command failed", slog.String("id", x.ID), slog.Any("error", err))
	}
	f.requestID = x.ID
	maps.Copy(w.Header(), f.header)
	w.Header().Set("Content-Type", f.ContentType(""))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(f.GetStatus())
	_ = json.NewEncoder(w).Encode(f) // the client may be gone
}

func (h *Holder) own(r *holding, record *apikey.Record) (Own, error) {
	k := viewOf(record, time.Now())
	own := Own{
		ID: k.ID, State: k.State, Environment: k.Environment, Name: k.Name, Scopes: k.Scopes, Created: k.Created, Expires: k.Expires, Revoked: k.Revoked,
		Secrets: k.Secrets, Limits: k.Limits,
	}
	if h.cfg.Credits == nil {
		return own, nil
	}
	account, err := h.cfg.Credits.Account(r.Context(), usage.Subject{Kind: usage.Key, ID: k.ID}, time.Now())
	switch {
	case errors.Is(err, usage.ErrNoAccount):
		return own, nil
	case err != nil:
		return Own{}, err
	}
	own.Credits = &account.Balance
	return own, nil
}

func (h *Holder) show(r *holding) (Own, error) {
	record, err := h.cfg.Store.Lookup(r.Context(), r.id())
	if err != nil {
		return Own{}, err
	}
	return h.own(r, &record)
}

func (h *Holder) roll(r *holding) (Own, error) {
	if r.principal.Retiring {
		return Own{}, fail(problem.Forbidden, "This text of the key is being replaced: roll it with the new one.")
	}
	var said struct {
		Overlap    string `json:"overlap"`
		IdleRetire string `json:"idle_retire"`
	}
	if err := r.read(&said); err != nil {
		return Own{}, err
	}
	var in reader
	spec := apikey.RollSpec{Overlap: in.duration("overlap", said.Overlap), IdleRetire: in.duration("idle_retire", said.IdleRetire)}
	if err := in.err(); err != nil {
		return Own{}, err
	}
	record, text, err := h.cfg.Issuer.Roll(r.Context(), r.by(), r.id(), 0, spec)
	if err != nil {
		return Own{}, err
	}
	own, err := h.own(r, &record)
	if err != nil { // it is rolled: the holder has to have the text
		own = Own{ID: string(record.ID), State: string(record.State(time.Now())), Scopes: []string{}, Secrets: []Secret{}}
	}
	own.Text = text.Reveal()
	return own, nil
}

// read reads the body, which was checked; an empty one leaves to as it is.
func (r *holding) read(to any) error {
	if len(r.body) == 0 {
		return nil
	}
	if json.Unmarshal(r.body, to) != nil {
		return invalid(Fault{"body", "cannot be read"})
	}
	return nil
}

func (h *Holder) revoke(r *holding) (Own, error) {
	var said struct {
		Reason string `json:"reason"`
	}
	if err := r.read(&said); err != nil {
		return Own{}, err
	}
	if said.Reason == "" {
		said.Reason = apikey.ReasonUnspecified
	}
	record, err := h.cfg.Issuer.Revoke(r.Context(), r.by(), r.id(), said.Reason)
	if err != nil {
		return Own{}, err
	}
	own, err := h.own(r, &record)
	if err != nil {
		return Own{}, err
	}
	receipt, err := fleet.Await(r.Context(), h.cfg.Registry, record.Revision, defaultWait)
	if err != nil {
		return Own{}, err
	}
	own.Receipt = &Receipt{ // a holder learns how many nodes there are, and not which
		Revision: int64(receipt.Revision), Nodes: receipt.Nodes, Applied: receipt.Applied, Complete: receipt.Complete(), TookMS: receipt.Took.Milliseconds(),
	}
	return own, nil
}
