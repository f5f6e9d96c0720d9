package apikey

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// rehasher is the list of keys whose digests move to the current pepper. The
// text of a key is never kept for that: the new digest is made at once.
type rehasher struct {
	jobs    chan rehashJob
	mu      *sync.Mutex
	pending map[ID]struct{} // as many as jobs can hold, and the one at work
}

type rehashJob struct {
	id       ID
	from, to [32]byte
	pepper   string
	format   string // of the new digest
	op       Op
}

const (
	rehashQueue = 256
	rehashPause = time.Second // after a failure
)

func newRehasher() rehasher {
	return rehasher{jobs: make(chan rehashJob, rehashQueue), mu: new(sync.Mutex), pending: make(map[ID]struct{})}
}

// offer takes a job unless the key has one or the list is full: the key will be
// seen again. It never waits for the store.
func (r *rehasher) offer(id ID, from *digest, to *pepper, c *claim) {
	r.mu.Lock()
	_, has := r.pending[id]
	if has || len(r.pending) >= rehashQueue {
		r.mu.Unlock()
		return
	}
	r.pending[id] = struct{}{}
	r.mu.Unlock()
	job := rehashJob{id: id, from: from.sum, pepper: to.id, op: OpRehash}
	switch from.format {
	case formatSHA256, formatSHA512:
		job.op = OpUpgrade
		fallthrough
	case formatText:
		job.to, job.format = c.sums[0].sum, FormatText
	case formatOurs, formatOff:
		job.to = to.digest(c.text)
	}
	r.jobs <- job // has room: pending is as small
}

func (r *rehasher) done(id ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, id)
}

// runRehash works the list off until the verifier is closed.
func (v *Verifier) runRehash() {
	for {
		select {
		case <-v.ctx.Done():
			return
		case job := <-v.rehash.jobs:
			err := v.rehashOne(job)
			v.rehash.done(job.id)
			if err != nil && !v.pause(err) {
				return
			}
		}
	}
}

// pause reports a failure and waits a moment, so that a store that takes no
// changes is not asked at each request; false when the verifier is closed.
func (v *Verifier) pause(err error) bool {
	v.log.LogAttrs(v.ctx, slog.LevelWarn, "a key could not be moved to the current pepper", slog.Any("error", err))
	timer := time.NewTimer(rehashPause)
	defer timer.Stop()
	select {
	case <-v.ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// rehashOne replaces one digest. A key that was changed meanwhile is left alone:
// it will be seen again.
func (v *Verifier) rehashOne(job rehashJob) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	ctx, cancel := context.WithTimeoutCause(v.ctx, v.cfg.LookupTimeout, errBusy)
	defer cancel()
	before, err := v.cfg.Store.Lookup(ctx, job.id)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(before.Secrets, func(s Secret) bool { return subtle.ConstantTimeCompare(s.Digest[:], job.from[:]) == 1 })
	if at < 0 {
		return nil
	}
	after := before
	after.Secrets = slices.Clone(before.Secrets)
	after.Secrets[at].Digest, after.Secrets[at].Pepper, after.Secrets[at].Format = job.to, job.pepper, job.format
	_, err = v.cfg.Store.Apply(ctx, Change{
		Actor: "system", Source: "verifier", Op: job.op, At: moment(time.Now()), Before: &before, After: &after,
	})
	v.Invalidate(job.id)
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrExists) { // another key has the text too, and is found first
		return nil
	}
	return err
}
