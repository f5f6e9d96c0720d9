package keyservice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/problem"
)

// BulkRevoked is what came of revoking many keys.
type BulkRevoked struct {
	Revoked []string `json:"revoked" nullable:"false" doc:"ids of the keys that were revoked" example:"[\"7HqLk2mVxWcP\"]"`
	Before  int      `json:"before" doc:"of those that were named, how many were revoked already, and are as they were" example:"0"`
	Receipt Receipt  `json:"receipt" doc:"of the newest change: where it holds, all hold"`
}

// BulkRevocation says which keys to revoke, and why.
type BulkRevocation struct {
	Keys        []string `json:"keys,omitempty" nullable:"false" doc:"ids, all different; all are revoked, or none" minItems:"1" maxItems:"1000" example:"[\"7HqLk2mVxWcP\"]"`
	Owner       string   `json:"owner,omitempty" doc:"in place of keys: all of this owner" maxLength:"128"`
	Environment string   `json:"environment,omitempty" doc:"in place of keys: all of this environment, of the owner where there is one" maxLength:"16" pattern:"^[a-z0-9]*$" patternDescription:"lower case letters and digits"`
	Count       int      `json:"count,omitempty" doc:"in place of keys: how many of them are not revoked yet, as you have seen. Nothing is done when it is another number." minimum:"1" maximum:"10000"`
	Reason      string   `json:"reason,omitempty" doc:"a word for the audit, such as key-compromise or cessation-of-operation; default unspecified" maxLength:"64" pattern:"^[a-z0-9-]*$" patternDescription:"lower case letters, digits and -" example:"key-compromise"`
}

func (s *Service) revokeAll(ctx context.Context, c *caller, in *struct {
	Marked
	Waiting
	Body BulkRevocation
},
) (*answer[BulkRevoked], error) {
	wait, err := readWait(in.Wait) // before anything is changed
	if err != nil {
		return nil, err
	}
	which, err := in.Body.selection(c)
	if err != nil {
		return nil, err
	}
	reason := in.Body.Reason
	if reason == "" {
		reason = apikey.ReasonUnspecified
	}
	revoked, err := s.cfg.Issuer.RevokeAll(ctx, c.by(), which, reason)
	if err != nil {
		return nil, s.bulkFailure(ctx, err, len(revoked), in.Body.Count)
	}
	out, newest := BulkRevoked{Revoked: make([]string, len(revoked)), Before: len(which.IDs)}, apikey.Revision(0)
	for i := range revoked {
		out.Revoked[i] = string(revoked[i].ID)
		newest = max(newest, revoked[i].Revision)
	}
	if out.Before > 0 {
		out.Before -= len(revoked)
	}
	if out.Receipt, err = s.await(ctx, newest, wait); err != nil {
		return nil, err
	}
	return &answer[BulkRevoked]{Body: out}, nil
}

// selection is what the issuer is asked for. Those of others are not there for a
// caller that is bound to an owner.
func (b *BulkRevocation) selection(c *caller) (which apikey.Selection, _ error) {
	var r reader
	switch filtered := b.Owner != "" || b.Environment != "" || b.Count != 0; {
	case len(b.Keys) > 0 && filtered:
		r.fault("keys", "want either this or owner, environment and count")
	case len(b.Keys) == 0 && b.Owner == "" && b.Environment == "":
		r.fault("keys", "want ids, an owner or an environment")
	case len(b.Keys) == 0 && b.Count == 0:
		r.fault("count", "is missing: say how many keys you have seen that are not revoked")
	}
	if err := errors.Join(r.err(), apikey.CheckOwner(b.Owner)); err != nil {
		return which, err
	}
	if c.bound() != "" {
		if b.Owner != "" && b.Owner != c.bound() {
			return which, fail(problem.NotFound, "There is no such owner.")
		}
		b.Owner = c.bound()
	}
	which.Owner, which.Environment, which.Count = b.Owner, apikey.Environment(b.Environment), b.Count
	for _, id := range b.Keys {
		which.IDs = append(which.IDs, apikey.ID(id))
	}
	return which, nil
}

// bulkFailure is what the client is told of err, when done of count keys are revoked.
func (s *Service) bulkFailure(ctx context.Context, err error, done, count int) error {
	if item, ok := errors.AsType[*apikey.ItemError](err); ok {
		reason := "there is no such key"
		if spec, ok := errors.AsType[*apikey.SpecError](item.Err); ok {
			reason = spec.Reason
		}
		return invalid(Fault{"keys[" + strconv.Itoa(item.Index) + "]", reason})
	}
	if counted, ok := errors.AsType[*apikey.CountError](err); ok {
		return fail(problem.Conflict, "There are "+countOf(counted)+" such keys that are not revoked, and not as many as count says. Nothing was changed: look at them, and ask again.")
	}
	if done == 0 {
		return err
	}
	s.log.LogAttrs(ctx, slog.LevelError, "revoking many keys ended early", slog.Int("revoked", done), slog.Int("of", count), slog.Any("error", err))
	f := fail(problem.Unavailable, fmt.Sprintf("%d of the keys are revoked, and then the store gave no answer. Count those that are left, and ask again.", done))
	f.header = http.Header{"Retry-After": {"1"}}
	return f
}

func countOf(e *apikey.CountError) string {
	if e.More {
		return "more than " + strconv.Itoa(e.Found)
	}
	return strconv.Itoa(e.Found)
}

// addBulk registers the operation.
func (s *Service) addBulk() {
	register(s, endpoint{
		id: "revokeKeys", method: http.MethodPost, path: "/v1/keys:batchRevoke", tag: "keys", right: RevokeBulk, once: true, repeats: true, also: onceAlso(404),
		summary: "Revoke many keys for good", description: "Up to 1000 that are named: all or none. Or all of an owner or an environment, up to 10000 when their count is as stated, 1000 in a transaction. Each leaves its own entry in the audit; the receipt says on which nodes all hold. A person needs a fresh login.",
	}, s.revokeAll)
}
