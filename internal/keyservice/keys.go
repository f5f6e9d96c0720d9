package keyservice

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/problem"
)

// KeyPath is the parameter of operations on one key.
type KeyPath struct {
	ID string `path:"id" doc:"of the key" pattern:"^[0-9A-Za-z]{12}$" patternDescription:"12 letters and digits" maxLength:"12" example:"7HqLk2mVxWcP"`
}

// Marked is the field of operations that a client may ask for again.
type Marked struct {
	IdempotencyKey string `header:"Idempotency-Key" doc:"makes it safe to ask again: what was done once is answered the same, without the text of a key. Kept for a day." minLength:"1" maxLength:"128" pattern:"^[!-~]+$" patternDescription:"printable ASCII without blanks" example:"5a1f0e62-1"`
}

// Matched is the field of operations on a state that was seen.
type Matched struct {
	IfMatch string `header:"If-Match" doc:"the ETag that was seen, or *" maxLength:"256" example:"\"42\""`
}

// find returns a key that is the caller's business.
func (s *Service) find(ctx context.Context, c *caller, id string) (apikey.Record, error) {
	record, err := s.cfg.Store.Lookup(ctx, apikey.ID(id))
	if err == nil && !c.sees(&record) {
		return apikey.Record{}, apikey.ErrNotFound
	}
	return record, err
}

func (s *Service) get(ctx context.Context, c *caller, in *KeyPath) (*answer[KeyBody], error) {
	record, err := s.find(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	one := []Key{viewOf(&record, time.Now())}
	if err := s.named(ctx, one); err != nil {
		return nil, err
	}
	return &answer[KeyBody]{ETag: etag(&record), Body: KeyBody{Key: one[0]}}, nil
}

// seen returns the revision that If-Match names, 0 for whatever there is. The key
// is known to be the caller's business: to one that is bound to an owner at this
// revision alone, since at the next it may be another owner's.
func (c *caller) seen(field string, r *apikey.Record, required bool) (apikey.Revision, error) {
	whatever, err := matches(field, etag(r), required)
	if err != nil || whatever && c.bound() == "" {
		return 0, err
	}
	return r.Revision, nil
}

// matches returns nil when If-Match names tag; whatever when it names whatever there is
// (RFC 9110, section 13.1.1).
func matches(field, tag string, required bool) (whatever bool, err error) {
	switch field = strings.TrimSpace(field); {
	case field == "" && required:
		return false, fail(problem.IfMatchRequired, "Send If-Match with the ETag that you saw, or * for whatever there is.")
	case field == "", field == "*":
		return true, nil
	}
	for one := range strings.SplitSeq(field, ",") {
		if strings.TrimSpace(one) == tag {
			return false, nil
		}
	}
	return false, fail(problem.ChangedMeanwhile, "Get it again, and decide anew.")
}

// meant returns the revision of a key that is the caller's business.
func (s *Service) meant(ctx context.Context, c *caller, id, ifMatch string, required bool) (apikey.Revision, error) {
	record, err := s.find(ctx, c, id)
	if err != nil {
		return 0, err
	}
	return c.seen(ifMatch, &record, required)
}

// addKeys registers the operations on keys.
func (s *Service) addKeys() {
	const tag = "keys"
	register(s, endpoint{id: "createKey", method: http.MethodPost, path: "/v1/keys", tag: tag, right: WriteKeys, status: http.StatusCreated, once: true, also: onceAlso(), summary: "Make a key", description: "Its text is in this answer and never again."}, s.create)
	register(s, endpoint{id: "createKeys", method: http.MethodPost, path: "/v1/keys:batchCreate", tag: tag, right: WriteKeys, status: http.StatusCreated, once: true, also: onceAlso(), summary: "Make up to 1000 keys: all or none"}, s.createAll)
	s.addImport()
	register(s, endpoint{id: "listKeys", method: http.MethodGet, path: "/v1/keys", tag: tag, right: ReadKeys, also: []int{404}, summary: "List keys, a page at a time", description: "It looks at a bounded number of keys for each page: of filters that few of very many keys match, a page may come back with fewer than limit, or with none, and with next. The last page is the one without next."}, s.list)
	register(s, endpoint{id: "searchKey", method: http.MethodPost, path: "/v1/keys:search", tag: tag, right: ReadKeys, also: bodyAlso(404, 429), summary: "Find a key by its text"}, s.search)
	register(s, endpoint{id: "getKey", method: http.MethodGet, path: "/v1/keys/{id}", tag: tag, right: ReadKeys, also: []int{404}, summary: "Show a key"}, s.get)
	register(s, endpoint{id: "updateKey", method: http.MethodPatch, path: "/v1/keys/{id}", tag: tag, right: WriteKeys, once: true, repeats: true, also: onceAlso(404, 412, 428), summary: "Change what is said of a key", description: "What is absent stays; what is empty is taken away. Id, environment and kind are for good. The receipt says on which nodes it holds."}, s.update)
	register(s, endpoint{id: "rollKey", method: http.MethodPost, path: "/v1/keys/{id}:roll", tag: tag, right: RollKeys, once: true, also: onceAlso(404, 412), summary: "Give a key a new secret", description: "The id stays, and with it limits, credits, usage and audit. The new text is in this answer and never again."}, s.roll)
	register(s, endpoint{id: "endOverlap", method: http.MethodPost, path: "/v1/keys/{id}:endOverlap", tag: tag, right: RollKeys, once: true, repeats: true, also: onceAlso(404, 412), summary: "End what a roll left working, now"}, s.endOverlap)
	register(s, endpoint{id: "revokeKey", method: http.MethodPost, path: "/v1/keys/{id}:revoke", tag: tag, right: WriteKeys, once: true, repeats: true, also: onceAlso(404, 412), summary: "Revoke a key for good", description: "The receipt says on which nodes it holds."}, s.revoke)
	register(s, endpoint{id: "disableKey", method: http.MethodPost, path: "/v1/keys/{id}:disable", tag: tag, right: WriteKeys, once: true, repeats: true, also: onceAlso(404, 412), summary: "Take a key out of use until it is enabled"}, s.disable)
	register(s, endpoint{id: "enableKey", method: http.MethodPost, path: "/v1/keys/{id}:enable", tag: tag, right: WriteKeys, once: true, repeats: true, also: onceAlso(404, 412), summary: "Take a disabled key back into use"}, s.enable)
	register(s, endpoint{id: "deleteKey", method: http.MethodDelete, path: "/v1/keys/{id}", tag: tag, right: DeleteKeys, once: true, repeats: true, also: onceAlso(404, 412), summary: "Delete a key; what is left of it is the audit"}, s.remove)
	register(s, endpoint{id: "whoami", method: http.MethodGet, path: "/v1/whoami", tag: "callers", also: nil, summary: "Show who asks, and what they may do"}, s.whoami)
}

// onceAlso are the statuses of operations that a client may ask for again.
func onceAlso(more ...int) []int { return append([]int{409, 413, 415, 422}, more...) }

// bodyAlso are the statuses of operations with a body.
func bodyAlso(more ...int) []int { return append([]int{413, 415}, more...) }
