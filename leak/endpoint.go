package leak

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/redact"
	"github.com/warder-dev/warder/secret"
)

// An Action is what becomes of a key that was found and can be used.
type Action string

// The actions.
const (
	Alert   Action = "alert"   // it is told, and nothing else
	Disable Action = "disable" // the key is disabled, until somebody enables it
	Revoke  Action = "revoke"  // the key is revoked: at once, or after the grace
)

// EndpointConfig configures an [Endpoint].
type EndpointConfig struct {
	_        [0]func()
	Sender   Sender          // Required.
	Verifier Verifier        // proves what is reported. Required.
	Store    apikey.Store    // where keys are changed. Required.
	Action   Action          // Default [Alert].
	Grace    time.Duration   // with [Revoke]: how long the key works on. It expires then, so that nothing has to run until then. 0: it is revoked at once. At most 90 days.
	Changed  func(apikey.ID) // told after each change, and each that may have happened, such as apikey.Verifier.Invalidate. May be nil.
	Found    func(Report)    // told of each report that is true, also of one that was told before; it must not block. May be nil.
	Log      *slog.Logger    // nil: none
}

// A Report is one key that was found somewhere.
type Report struct {
	Sender  string    // who says so: the sender's name
	Key     apikey.ID // which key
	Verdict Verdict   // what it was good for, when the report came
	Place   string    // where, as the sender says: an address. Masked, and cut to 512 bytes.
	Source  string    // what kind of place, such as "content" or "commit"; may be empty. As Place, cut to 64.
	Done    Action    // what was done about it
}

const (
	maxBody    = 1 << 20
	maxReports = 1000
	maxToken   = 1024 // bytes; a longer one is no key
	maxURL     = 512
	maxSource  = 64
	maxGrace   = 90 * 24 * time.Hour
	tries      = 5 // of one change that meets another
	leaked     = "key-compromise"
)

// An Endpoint takes reports of keys that were found, in the form of GitHub's
// secret scanning partner program: POST with a JSON array of objects with token,
// type, url and source. It answers with an array of the same length that says of
// each token, by its SHA-256, whether it is a key of ours ("true_positive") or not
// ("false_positive").
//
// A report is believed when the [Sender] signed it and the token is the whole text
// of a key: its secret is compared. What was done before is not done again, so
// that a report may come twice; when the store gave no answer the whole is 503,
// and the sender asks again. Nothing in the answer or the log holds a secret.
//
// Of reports that are on their way at once it reads 64, which is a bound on memory: the
// one that began first is told to come again later.
//
// An Endpoint is safe for concurrent use. It belongs on a route without authn.
type Endpoint struct {
	cfg EndpointConfig

	pending pending

	method, long, body, wrong, away *problem.Problem
}

// NewEndpoint reports everything that is wrong with cfg at once.
func NewEndpoint(cfg EndpointConfig) (*Endpoint, error) {
	if cfg.Action == "" {
		cfg.Action = Alert
	}
	if cfg.Changed == nil {
		cfg.Changed = func(apikey.ID) {}
	}
	if cfg.Found == nil {
		cfg.Found = func(Report) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Endpoint{
		cfg:    cfg,
		method: problem.New(problem.MethodNotAllowed, "Use POST.").With("Allow", http.MethodPost),
		long:   problem.New(problem.BodyTooLarge, "Send fewer reports at a time."),
		body:   problem.New(problem.InvalidBody, fmt.Sprintf("Send a JSON array of at most %d objects with token, type, url and source.", maxReports)),
		wrong:  problem.New(problem.Unauthorized, "The signature of the report does not hold."),
		away:   problem.New(problem.Unavailable, "Send the report again later. Nothing is wrong with it.").With("Retry-After", "30"),
	}, nil
}

func (c *EndpointConfig) check() error {
	var errs []error
	if c.Sender == nil {
		errs = append(errs, errors.New("leak: Sender is missing"))
	}
	if c.Verifier == nil {
		errs = append(errs, errors.New("leak: Verifier is missing"))
	}
	if c.Store == nil {
		errs = append(errs, errors.New("leak: Store is missing"))
	}
	if c.Action != Alert && c.Action != Disable && c.Action != Revoke {
		errs = append(errs, fmt.Errorf("leak: Action %q: want %s, %s or %s", c.Action, Alert, Disable, Revoke))
	}
	if c.Grace < 0 || c.Grace > maxGrace || c.Grace > 0 && c.Action != Revoke {
		errs = append(errs, fmt.Errorf("leak: Grace %v: want 0 to %v, and only with %s", c.Grace, maxGrace, Revoke))
	}
	return errors.Join(errs...)
}

// A report is one element of what is sent.
type report struct {
	Token  string `json:"token"`
	Type   string `json:"type"`
	URL    string `json:"url"`
	Source string `json:"source"`
}

// A label is one element of the answer.
type label struct {
	Hash  string `json:"token_hash"` // SHA-256 of the token, in base64
	Type  string `json:"token_type"`
	Label string `json:"label"`
}

func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		exchange.Respond(w, r, e.method, "", nil)
		return
	}
	coming := e.pending.begin(w, r)
	body, err := io.ReadAll(coming)
	coming.end()
	if errors.Is(err, errPushedOut) {
		exchange.Respond(w, r, e.away, "", err)
		return
	}
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		exchange.Respond(w, r, e.long, "", nil)
		return
	}
	if err != nil {
		exchange.Respond(w, r, e.body, "", nil)
		return
	}
	switch err := e.cfg.Sender.Authenticate(r.Context(), r.Header, body); {
	case errors.Is(err, ErrSignature):
		e.cfg.Log.LogAttrs(r.Context(), slog.LevelWarn, "a report of leaked keys has a wrong signature",
			slog.String("sender", e.cfg.Sender.Name()), slog.String("client", address(r)))
		exchange.Respond(w, r, e.wrong, "signature", nil)
		return
	case err != nil:
		e.failed(w, r, "a report of leaked keys cannot be proved", err)
		return
	}
	reports, ok := parseReports(body)
	if !ok {
		exchange.Respond(w, r, e.body, "", nil)
		return
	}
	labels, err := e.take(r, reports)
	if err != nil {
		e.failed(w, r, "a report of leaked keys cannot be acted upon", err)
		return
	}
	answer(w, labels)
}

// failed answers 503, and says why in the log.
func (e *Endpoint) failed(w http.ResponseWriter, r *http.Request, what string, err error) {
	e.cfg.Log.LogAttrs(r.Context(), slog.LevelError, what, slog.String("sender", e.cfg.Sender.Name()), slog.Any("error", err))
	exchange.Respond(w, r, e.away, "", err)
}

func answer(w http.ResponseWriter, labels []label) {
	body, err := json.Marshal(labels)
	if err != nil {
		panic(err) // texts cannot fail
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the sender may be gone
}

// parseReports reads the array. Members that it does not know are passed over:
// the sender may add some.
func parseReports(body []byte) ([]report, bool) {
	var all []report
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&all); err != nil || all == nil || len(all) > maxReports {
		return nil, false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	return all, true
}

// take judges each report and acts upon it.
func (e *Endpoint) take(r *http.Request, reports []report) ([]label, error) {
	labels := make([]label, len(reports))
	for i := range reports {
		one := &reports[i]
		sum := sha256.Sum256([]byte(one.Token))
		labels[i] = label{Hash: base64.StdEncoding.EncodeToString(sum[:]), Type: one.Type, Label: "false_positive"}
		ours, err := e.one(r, one)
		if err != nil {
			return nil, err
		}
		if ours {
			labels[i].Label = "true_positive"
		}
	}
	return labels, nil
}

// one reports whether the token is a key of ours, after it has done what is to be
// done about it.
func (e *Endpoint) one(r *http.Request, sent *report) (bool, error) {
	if len(sent.Token) > maxToken {
		return false, nil
	}
	info, err := apikey.Parse(sent.Token)
	if err != nil {
		return false, nil //nolint:nilerr // it is no key: that is the answer
	}
	ctx := r.Context()
	verdict, err := Judge(ctx, e.cfg.Verifier, secret.New(sent.Token))
	if err != nil || !verdict.Ours() {
		return false, err
	}
	found := Report{
		Sender: e.cfg.Sender.Name(), Key: apikey.ID([]byte(info.ID)), Verdict: verdict,
		Place: shown(sent.URL, maxURL), Source: shown(sent.Source, maxSource), Done: Alert,
	}
	if verdict.Harmful() {
		if found.Done, err = e.act(ctx, found.Key, address(r)); err != nil {
			return false, fmt.Errorf("leak: key %s: %w", found.Key, err)
		}
	}
	e.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "a key was found where others can read it",
		slog.String("sender", found.Sender), slog.String("key_id", string(found.Key)), slog.String("state", string(verdict)),
		slog.String("place", found.Place), slog.String("source", found.Source), slog.String("action", string(found.Done)))
	e.cfg.Found(found)
	return true, nil
}

// shown returns what a sender says so that a log can hold it.
func shown(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return redact.Line(redact.Text(text))
}

// act takes the key away as the action says, and returns what was done.
func (e *Endpoint) act(ctx context.Context, id apikey.ID, source string) (Action, error) {
	by := apikey.By{Actor: e.cfg.Sender.Name(), Source: source}
	var err error
	switch {
	case e.cfg.Action == Disable:
		_, err = apikey.Disable(ctx, e.cfg.Store, by, id)
	case e.cfg.Action == Revoke && e.cfg.Grace == 0:
		_, err = apikey.Revoke(ctx, e.cfg.Store, by, id, leaked)
	case e.cfg.Action == Revoke:
		err = e.expire(ctx, by, id)
	default:
		return Alert, nil
	}
	e.cfg.Changed(id)
	if errors.Is(err, apikey.ErrNotFound) { // deleted meanwhile: nobody can use it
		return Alert, nil
	}
	return e.cfg.Action, err
}

// expire lets the key end after the grace, or when it would have ended anyway. A
// second report does not lengthen that.
func (e *Endpoint) expire(ctx context.Context, by apikey.By, id apikey.ID) error {
	var err error
	for range tries {
		var before apikey.Record
		if before, err = e.cfg.Store.Lookup(ctx, id); err != nil {
			return err
		}
		now := time.Now().UTC().Truncate(time.Millisecond)
		end := now.Add(e.cfg.Grace)
		if !before.Revoked.IsZero() || !before.Expires.IsZero() && !before.Expires.After(end) {
			return nil
		}
		after := before
		after.Expires, after.Updated = end, now
		_, err = e.cfg.Store.Apply(ctx, apikey.Change{
			Actor: by.Actor, Source: by.Source, Op: apikey.OpUpdate, At: now, Before: &before, After: &after,
		})
		if !errors.Is(err, apikey.ErrConflict) {
			return err
		}
	}
	return err
}

// address is the client's, as the edge found it, or else that of the connection.
func address(r *http.Request) string {
	if x := exchange.From(r.Context()); x != nil && x.Client.IsValid() {
		return x.Client.String()
	}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return peer.Addr().String()
	}
	return "unknown"
}
