package ratelimit

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// A Refused is a subject that a limit has refused.
type Refused struct {
	Subject Subject
	Who     string    // such as "address=192.0.2.1"; what headers, claims and funcs say is left out
	Times   uint64    // how often; at most Over too many
	Over    uint64    // refusals that may have been somebody else's, whose place it took
	Last    time.Time // the last refusal
}

// Top returns the subjects that the limit has refused most often, at most n and
// at most 64, the most often first.
func (l *Limit) Top(n int) []Refused {
	all := l.top.list()
	return all[:min(max(n, 0), len(all))]
}

const maxTop = 64

// top keeps those refused most often in bounded memory: a new one takes the place
// of the one refused least, and its count (the algorithm is Space-Saving).
type top struct {
	mu  sync.Mutex
	all []Refused
}

func (t *top) note(key uint64, l *Limit, x *exchange.Exchange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	least := 0
	for i := range t.all {
		if t.all[i].Subject == Subject(key) {
			t.all[i].Times++
			t.all[i].Last = x.Start
			return
		}
		if t.all[i].Times < t.all[least].Times {
			least = i
		}
	}
	one := Refused{Subject: Subject(key), Who: l.who(x), Times: 1, Last: x.Start}
	if len(t.all) < maxTop {
		t.all = append(t.all, one)
		return
	}
	one.Over = t.all[least].Times
	one.Times += one.Over
	t.all[least] = one
}

func (t *top) forget(key uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = slices.DeleteFunc(t.all, func(r Refused) bool { return r.Subject == Subject(key) })
}

func (t *top) list() []Refused {
	t.mu.Lock()
	all := slices.Clone(t.all)
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b Refused) int {
		return cmp.Or(-cmp.Compare(a.Times, b.Times), cmp.Compare(a.Who, b.Who))
	})
	return all
}

// who writes the subject of x for a person.
func (l *Limit) who(x *exchange.Exchange) string {
	parts := make([]string, len(l.by))
	for i := range l.by {
		parts[i] = l.by[i].show(x)
	}
	return strings.Join(parts, " ")
}

// longest is how much of a value is shown, in bytes.
const longest = 64

// show writes what p is of x, when that can be no credential: what clients write
// into headers, and issuers into claims, may be anything.
func (p *Part) show(x *exchange.Exchange) string {
	switch p.kind {
	case byAddress:
		a, ok := network(x.Client)
		switch {
		case !ok:
			return "address=-"
		case a.Is6():
			return "address=" + a.String() + "/64"
		default:
			return "address=" + a.String()
		}
	case byHeader:
		return "header:" + p.name
	case byClaim:
		return "claim:" + strings.Join(p.path, ".")
	case byText:
		if name, ok := strings.CutPrefix(p.name, "func:"); ok {
			return name
		}
		if value, found := p.read(x); found {
			return p.name + "=" + strings.ToValidUTF8(value[:min(len(value), longest)], "")
		}
	}
	return p.name + "=-"
}
