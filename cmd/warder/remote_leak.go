package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/leak"
	"github.com/warder-dev/warder/secret"
)

// unknownTexts bounds how many texts are remembered that are no key's.
const unknownTexts = 10_000

// leakServer are the keys of a warder that runs.
type leakServer struct {
	*remote

	wait     string
	last     fleet.Receipt
	complete bool // so far
	// A wrong text that is found again is not asked about again: it would count as
	// another guess, and who guesses has to wait.
	unknown map[apikey.ID]secret.Text
}

// openLeakServer asks first whether the token may do what the flags want: half of a
// search says nothing.
func openLeakServer(cmd *cobra.Command, p *process, o *leakOptions, wait time.Duration) (*leakServer, error) {
	text, err := remoteWait(wait)
	if err != nil {
		return nil, err
	}
	r, err := openRemote(cmd, p, o.argument)
	if err != nil {
		return nil, err
	}
	me, err := r.Whoami(cmd.Context())
	if err != nil {
		err = r.failure(cmd.Context(), err, "leak "+cmd.Name())
		r.Close()
		return nil, err
	}
	wanted := []keyservice.Right{keyservice.VerifyKeys, keyservice.SeeReasons}
	if o.disable || o.revoke {
		wanted = append(wanted, keyservice.WriteKeys)
	}
	for _, right := range wanted {
		if !slices.Contains(me.Value.Rights, string(right)) {
			r.Close()
			return nil, fail(exitDenied, "give a token whose role may; docs/reference/admin-roles.md says which role may do what",
				"leak %s: the token's role, %s, lacks the right %s", cmd.Name(), shown(me.Value.Role), right)
		}
	}
	return &leakServer{remote: r, wait: text, complete: true, unknown: make(map[apikey.ID]secret.Text)}, nil
}

func (s *leakServer) judge(ctx context.Context, f *leak.Finding) (leak.Verdict, error) {
	if wrong, ok := s.unknown[f.ID]; ok && wrong.Equal(f.Text) {
		return leak.Unknown, nil
	}
	answer, err := s.VerifyKey(ctx, client.Use{Key: client.Text{Text: f.Text}, Dry: true})
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == http.StatusTooManyRequests {
		return "", fail(exitServer, "go on in a minute, or where the database is, without --server",
			"the key %s could not be looked up: too many before it were no keys of the server's, and who guesses has to wait", f.ID)
	}
	if err != nil {
		return "", s.failure(ctx, err, fmt.Sprintf("the key %s could not be looked up", f.ID))
	}
	verdict, err := remoteLeakVerdict(&answer.Value)
	if err != nil {
		return "", fail(exitServer, "", "the key %s could not be looked up: %w", f.ID, err)
	}
	if verdict == leak.Unknown && len(s.unknown) < unknownTexts {
		s.unknown[f.ID] = f.Text
	}
	return verdict, nil
}

// remoteLeakVerdict is what [leak.Judge] would say of a key that the server said a of.
func remoteLeakVerdict(a *client.Verdict) (leak.Verdict, error) {
	switch {
	case a.Valid:
		return leak.Active, nil
	case a.Reason == "":
		return "", errors.New("the server does not say why the key does not hold")
	case a.Code == "forbidden" && a.Reason == apikey.RulePublic:
		return leak.Public, nil
	case a.Code != "invalid": // it is narrowed, or used up for now: good all the same
		return leak.Active, nil
	case slices.Contains([]string{"malformed", "unknown", "wrong-secret"}, a.Reason):
		return leak.Unknown, nil
	default:
		return leak.Verdict(shown(a.Reason)), nil
	}
}

func (s *leakServer) take(ctx context.Context, id apikey.ID, revoke bool) error {
	var changed client.Result[client.KeyChanged]
	var err error
	if revoke {
		changed, err = s.RevokeKey(ctx, string(id), client.RevokeKeyParams{IdempotencyKey: rand.Text(), Wait: s.wait}, client.RevokeKeyRequest{Reason: leakReason})
	} else {
		changed, err = s.DisableKey(ctx, string(id), client.DisableKeyParams{IdempotencyKey: rand.Text(), Wait: s.wait})
	}
	if err != nil {
		return s.failure(ctx, err, fmt.Sprintf("the key %s is not %s", id, leakDone(revoke)))
	}
	receipt := &changed.Value.Receipt
	if s.complete { // of those that are not, the first is told
		s.last, s.complete = receiptOf(receipt), receipt.Complete
	}
	return nil
}

func (s *leakServer) receipt(context.Context) (fleet.Receipt, bool, error) {
	return s.last, s.complete, nil
}

func (s *leakServer) close() error {
	s.Close()
	return nil
}
