package redis

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Errors of a decision that has no answer.
var (
	// ErrAway means that the server does not answer, or not in time: nobody was asked.
	ErrAway = errors.New("redis: the server is away")

	// ErrLate means that the answer did not come within the budget.
	ErrLate = errors.New("redis: no answer within the budget")

	// ErrBusy means that more wait for the server than it could answer in time.
	ErrBusy = errors.New("redis: too many wait for an answer")
)

// A call is one run of a script on its way. Whoever waits for it may leave: then
// the pump that has it lets it go.
type call struct {
	keys   []string
	args   []string
	until  time.Time // when nobody waits any more
	state  atomic.Int32
	done   chan struct{} // 1
	answer string
	err    error
	timer  *time.Timer // of who waits
}

// States of a call.
const (
	waited int32 = iota
	answered
	left
)

// calls are kept for use again: each has a channel and a timer.
type calls struct{ pool sync.Pool }

func (p *calls) get() *call {
	if c, ok := p.pool.Get().(*call); ok {
		return c
	}
	c := &call{done: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	c.timer.Stop()
	return c
}

func (p *calls) put(c *call) {
	c.keys, c.args, c.answer, c.err = nil, nil, "", nil
	c.state.Store(waited)
	p.pool.Put(c)
}

// A lane leads to one server: to the only one, or to one of a cluster. What is slow
// or away in one lane stops nobody in another.
//
// Requests never touch a connection: they leave a call and wait for their
// budget. A few pumps take what waits, as much as there is, and send it in one
// go.
type lane struct {
	client  rueidis.Client
	sha     string
	calls   *calls
	queue   chan *call
	breaker *breaker
	budget  time.Duration
	probe   probes // a key of its server
	stop    context.CancelFunc
}

const (
	pumps     = 4 // while one waits for answers, the next batch fills
	maxBatch  = 64
	maxQueued = 4096
)

// do runs the script of takes, within the budget.
func (l *lane) do(ctx context.Context, keys, args []string) (string, error) {
	if !l.breaker.enter() {
		return "", ErrAway
	}
	c := l.calls.get()
	c.keys, c.args, c.until = keys, args, time.Now().Add(l.budget)
	select {
	case l.queue <- c:
	default:
		l.breaker.leave()
		l.calls.put(c)
		return "", ErrBusy
	}
	c.timer.Reset(l.budget - l.budget/16) // a timer is late rather than early
	err := ErrLate
	select {
	case <-c.done:
		return l.finish(c)
	case <-c.timer.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
		c.timer.Stop()
	}
	if !c.state.CompareAndSwap(waited, left) {
		<-c.done // it came just now
		return l.finish(c)
	}
	return "", err // the pump has c
}

func (l *lane) finish(c *call) (string, error) {
	answer, err := c.answer, c.err
	c.timer.Stop()
	l.calls.put(c)
	return answer, err
}

// pump sends what waits until ctx ends.
func (l *lane) pump(ctx context.Context) {
	batch := make([]*call, 0, maxBatch)
	for {
		select {
		case c := <-l.queue:
			batch = l.fill(append(batch[:0], c))
		case <-ctx.Done():
			return
		}
		if len(batch) > 0 {
			l.send(ctx, batch)
		}
	}
}

// fill adds what else waits, less whom nobody waits for.
func (l *lane) fill(batch []*call) []*call {
	now := time.Now()
	kept := batch[:0]
	c := batch[0]
	for {
		if c.state.Load() == left || !now.Before(c.until) {
			l.settle(c, "", ErrLate)
		} else {
			kept = append(kept, c)
		}
		if len(kept) == maxBatch {
			return kept
		}
		select {
		case c = <-l.queue:
		default:
			return kept
		}
	}
}

// settle gives c its answer, or takes it back when nobody waits any more.
func (l *lane) settle(c *call, answer string, err error) {
	l.breaker.leave()
	c.answer, c.err = answer, err
	if c.state.CompareAndSwap(waited, answered) {
		c.done <- struct{}{}
		return
	}
	l.calls.put(c)
}

// send sends a batch and settles all of it.
func (l *lane) send(ctx context.Context, batch []*call) {
	limited, cancel := context.WithTimeout(ctx, l.budget)
	defer cancel()
	cmds := make(rueidis.Commands, len(batch))
	for i, c := range batch {
		cmds[i] = l.client.B().Evalsha().Sha1(l.sha).Numkeys(int64(len(c.keys))).Key(c.keys...).Arg(c.args...).Build()
	}
	results := l.client.DoMulti(limited, cmds...)
	l.loadAgain(limited, batch, results)
	var failed error
	for i, c := range batch {
		answer, err := results[i].ToString()
		if err != nil {
			err = hide(err)
			if down(results[i].Error()) {
				failed = err
			}
		}
		l.settle(c, answer, err)
	}
	if ctx.Err() == nil {
		l.breaker.report(failed, len(batch))
	}
}

// loadAgain runs those again whose server did not know the script: it was
// restarted, or took over.
func (l *lane) loadAgain(ctx context.Context, batch []*call, results []rueidis.RedisResult) {
	var cmds rueidis.Commands
	var which []int
	for i := range results {
		if e, ok := rueidis.IsRedisErr(results[i].Error()); ok && e.IsNoScript() {
			c := batch[i]
			cmds = append(cmds, l.client.B().Eval().Script(takeScript).Numkeys(int64(len(c.keys))).Key(c.keys...).Arg(c.args...).Build())
			which = append(which, i)
		}
	}
	for i, r := range l.client.DoMulti(ctx, cmds...) {
		results[which[i]] = r
	}
}
