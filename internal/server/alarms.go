package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/warder-dev/warder/leak"
	"github.com/warder-dev/warder/webhook"
)

// usedHoneytoken is the data of [webhook.HoneytokenUsed].
type usedHoneytoken struct {
	KeyID  string `json:"key_id"`
	Client string `json:"client,omitempty"`
	Agent  string `json:"user_agent,omitempty"` // masked and cut
}

// tellHoneytoken announces the use of a honeytoken, once an hour for each: who has
// many addresses must not crowd out what else there is to tell.
func (a *announcer) tellHoneytoken(used usedHoneytoken) {
	now := time.Now()
	a.offer(fmt.Sprintf("honeytoken-used:%s:%d", used.KeyID, now.Unix()/int64(announceEvery/time.Second)), webhook.HoneytokenUsed, now, used)
}

// leakedKey is the data of [webhook.KeyLeaked].
type leakedKey struct {
	KeyID  string `json:"key_id"`
	Source string `json:"source,omitempty"` // what kind of place, as the sender says
	URL    string `json:"url,omitempty"`    // masked and cut
	Sender string `json:"sender"`
	State  string `json:"state"`  // what the key was good for
	Action string `json:"action"` // what was done about it
}

// leaked counts a report of a leaked key, and announces it: once for each place.
func (p *program) leaked(r leak.Report) {
	p.metrics.Leaked(r)
	if p.announcer == nil {
		return
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", r.Sender, r.Key, r.Place))
	p.announcer.offer("key-leaked:"+hex.EncodeToString(sum[:16]), webhook.KeyLeaked, time.Now(), leakedKey{
		KeyID: string(r.Key), Source: r.Source, URL: r.Place, Sender: r.Sender, State: string(r.Verdict), Action: string(r.Done),
	})
}
