package keyservice

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// keyQuery is what a list asks for.
type keyQuery struct {
	Owner         string    `query:"owner" doc:"of this owner" maxLength:"128"`
	Environment   string    `query:"environment" doc:"of this environment" maxLength:"16"`
	Kind          string    `query:"kind" enum:"secret,public,honeytoken"`
	State         string    `query:"state" enum:"active,retiring,disabled,revoked,expired"`
	Plan          string    `query:"plan" maxLength:"40"`
	Text          string    `query:"text" doc:"a part of the name, the owner or the id, as it stands" maxLength:"128"`
	ExpiresBefore time.Time `query:"expires_before" doc:"expire before it"`
	Sort          string    `query:"sort" enum:"id,created" doc:"created is the newest first, and the default"`
	Limit         int       `query:"limit" minimum:"1" maximum:"1000" doc:"keys in a page; default 100"`
	Cursor        string    `query:"cursor" doc:"next of the page before, with the same filter and order" maxLength:"256"`
}

const defaultPage = 100

// listTime bounds one page. A store looks at a bounded number of keys for it, which may
// still have to come from a disk, or from another machine.
const listTime = 10 * time.Second

func (s *Service) list(ctx context.Context, c *caller, in *keyQuery) (*answer[KeyPage], error) {
	if c.bound() != "" {
		if in.Owner != "" && in.Owner != c.bound() {
			return nil, fail(problem.NotFound, "There is no such owner.")
		}
		in.Owner = c.bound()
	}
	now := time.Now()
	q := apikey.Filter{
		Owner: in.Owner, Environment: apikey.Environment(in.Environment), Kind: apikey.Kind(in.Kind), State: apikey.State(in.State), Plan: in.Plan,
		Text: in.Text, ExpiresBefore: in.ExpiresBefore.UTC(), Sort: apikey.Sort(in.Sort), Limit: in.Limit, At: now,
	}
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	if q.Sort == "" {
		q.Sort = apikey.SortCreated
	}
	if in.Cursor != "" && !readKeyCursor(&q, in.Cursor) {
		return nil, invalid(Fault{"cursor", "want next of a page with the same filter and order"})
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	page, err := s.cfg.Store.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	out := KeyPage{Keys: make([]Key, len(page.Records))}
	for i := range page.Records {
		out.Keys[i] = viewOf(&page.Records[i], now)
	}
	if err := s.named(ctx, out.Keys); err != nil {
		return nil, err
	}
	if page.More {
		out.Next = keyCursor(&q, page.Next)
	}
	return &answer[KeyPage]{Body: out}, nil
}

// search finds a key by its text, which is in the body: never in a URL. The text
// proves nothing here but which key is meant.
func (s *Service) search(ctx context.Context, c *caller, in *struct {
	Body struct {
		Text string `json:"text" format:"password" doc:"the key, as it was pasted; also one of another system, that was imported" minLength:"1" maxLength:"512" example:"wrd_live_7HqLk2mVxWcP..."`
	}
},
) (*answer[KeyBody], error) {
	text := strings.TrimSpace(in.Body.Text)
	if info, err := apikey.Parse(text); err == nil {
		return s.get(ctx, c, &KeyPath{ID: string(info.ID)})
	}
	id, err := s.imported(ctx, c, text)
	if errors.Is(err, apikey.ErrNotFound) {
		return nil, invalid(Fault{"text", "want the text of a key: its form or its check digits are wrong, and no key of another system has it"})
	}
	if err != nil {
		return nil, err
	}
	return s.get(ctx, c, &KeyPath{ID: string(id)})
}

// imported is the id of the key of another system with this text. To find one is to
// know that the text is right, so that who guesses is held back as at verify.
func (s *Service) imported(ctx context.Context, c *caller, text string) (apikey.ID, error) {
	store, ok := s.cfg.Store.(apikey.LegacyStore)
	if !ok {
		return "", apikey.ErrNotFound
	}
	v := s.verify
	through := v.guess(ctx, c.client, text)
	outcome := exchange.Outcome{Status: http.StatusServiceUnavailable} // nobody knows, until somebody does
	defer func() { v.callers.Done(through, outcome) }()
	if said := v.callers.Check(through); !said.Passed() { //nolint:contextcheck // the exchange has its own
		return "", throttled(said.Problem())
	}
	id, err := apikey.FindImported(ctx, store, s.cfg.Peppers, text)
	if err == nil {
		outcome.Status = http.StatusOK
		if _, err = s.find(ctx, c, string(id)); err == nil {
			return id, nil
		}
	}
	if errors.Is(err, apikey.ErrNotFound) {
		through.Claim, outcome = apikey.ClaimImported, exchange.Outcome{Status: http.StatusUnauthorized, Reason: "unknown"}
	}
	return "", err
}
