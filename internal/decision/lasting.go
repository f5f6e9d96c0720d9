package decision

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ticket"
)

// Lasting says for how long a decision may be kept, and by whom.
type Lasting struct {
	_ [0]func()

	// Fresh returns until when what is known of keys may be kept, and Revision up to
	// which change that is. Both are asked before each decision. Required.
	Fresh    func() time.Time
	Revision func() uint64

	// MaxAge is for how long a proxy may store a pass: whole seconds, and never beyond
	// Fresh, the key's life or the end of a window of time. 0: not at all.
	MaxAge time.Duration

	// Tickets makes the tickets of passes, which end as what is stored does, but for
	// MaxAge. nil: there are none.
	Tickets *ticket.Signer
}

// margin is what an answer may spend on its way, and by which proxies count too long:
// those that count whole seconds store what has an age of N for nearly N+1.
const margin = 1500 * time.Millisecond

// known is what was known before a decision. The zero value is nothing.
type known struct {
	until    time.Time
	revision uint64
}

func (l *Lasting) known() known {
	if l == nil {
		return known{}
	}
	revision := l.Revision()
	return known{l.Fresh(), revision}
}

// keep says in h, which has the identity fields of a pass, for how long it may be
// kept. Without a word of it nobody may.
func (l *Lasting) keep(h http.Header, stack *warder.Stack, x *exchange.Exchange, k known) {
	if l == nil {
		return
	}
	now := time.Now()
	until, ok := stack.Lasts(x, k.until)
	if !ok || !until.After(now) {
		return
	}
	if l.Tickets != nil {
		h[ticket.Field] = []string{l.Tickets.Sign(x, h, k.revision, until)}
	}
	if seconds := int64(min(until.Sub(now)-margin, l.MaxAge) / time.Second); seconds > 0 {
		h["Cache-Control"] = []string{"max-age=" + strconv.FormatInt(seconds, 10)}
	}
}

// fields are those that every answer has, empty where nothing is known.
func (l *Lasting) fields(identity []string) []string {
	if l == nil || l.Tickets == nil {
		return identity
	}
	return append(slices.Clip(identity), ticket.Field)
}
