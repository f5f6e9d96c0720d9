package audit

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// ErrEmpty means that there is no entry to sign.
var ErrEmpty = errors.New("audit: the log is empty: there is nothing to sign")

// SignHead verifies what was written since the newest checkpoint that is signed
// with the signer's key, at first the whole log, signs its end in the name of node
// and keeps that in the store. When nothing was written since it returns that
// newest checkpoint. A log that does not hold is not signed: [*BrokenError].
func SignHead(ctx context.Context, store Store, s *Signer, node string) (Checkpoint, error) {
	last, err := store.LastCheckpoint(ctx)
	if err != nil {
		return Checkpoint{}, err
	}
	if (Keyring{s.key}).Check(&last) != nil {
		last = Checkpoint{}
	}
	return signAfter(ctx, store, s, node, last)
}

// signAfter is [SignHead] when last is the newest checkpoint to rely on.
func signAfter(ctx context.Context, store Store, s *Signer, node string, last Checkpoint) (Checkpoint, error) {
	head, err := verifyAfter(ctx, store, last)
	switch {
	case err != nil:
		return Checkpoint{}, err
	case head.Seq == 0:
		return Checkpoint{}, ErrEmpty
	case head.Seq == last.Seq:
		return last, nil
	}
	made := s.Sign(head, time.Now(), node)
	return made, store.SaveCheckpoint(ctx, made)
}

// verifyAfter verifies the log from the entry of last on, and returns its end.
func verifyAfter(ctx context.Context, store Store, last Checkpoint) (Head, error) {
	chain := NewChain(nil)
	if last.Seq > 0 {
		chain = NewChain([]Checkpoint{last})
		chain.Partial()
	}
	for after := max(last.Seq-1, 0); ; after = chain.Head().Seq {
		page, err := store.List(ctx, Query{After: after, Limit: MaxPage})
		if err != nil {
			return Head{}, err
		}
		for i := range page {
			if err := chain.Add(&page[i]); err != nil {
				return Head{}, err
			}
		}
		if len(page) == 0 && chain.Head().Seq == 0 && last.Seq > 0 {
			head, err := store.Head(ctx)
			return head, errors.Join(err, cut(head, &last))
		}
		if len(page) < MaxPage {
			return chain.Head(), chain.End()
		}
	}
}

// CheckpointerConfig configures a [Checkpointer].
type CheckpointerConfig struct {
	_ [0]func()

	Store    Store         // required
	Signer   *Signer       // required
	Node     string        // who signs. Required.
	Interval time.Duration // how old an entry without a checkpoint gets at most; at least 1 s, default 5 minutes
	Entries  int64         // how many entries go without a checkpoint at most, give or take what comes within Poll; at least 1, default 1000
	Poll     time.Duration // how often the log is looked at; at least 10 ms, default 5 s

	// Keep is given each checkpoint once it is in the store, to keep it elsewhere: a
	// cut of the log takes what lies beside it too. It may be nil. Calls do not
	// overlap.
	Keep func(Checkpoint) error

	Log *slog.Logger // required. It gets each checkpoint as well.
}

// Defaults and least values of [CheckpointerConfig].
const (
	DefaultInterval = 5 * time.Minute
	DefaultEntries  = 1000
	defaultPoll     = 5 * time.Second
	leastInterval   = time.Second
	leastPoll       = 10 * time.Millisecond
	lookTimeout     = time.Minute     // reads what came since the last checkpoint, at first all
	closeTimeout    = 5 * time.Second // at the end of the program, which has a bound of its own
)

// A Checkpointer signs the log from time to time, while there is something new. It
// is safe for concurrent use.
type Checkpointer struct {
	cfg    CheckpointerConfig
	stop   context.CancelFunc
	done   chan struct{}
	broken atomic.Bool

	// Of the goroutine that runs, and of Close after it.
	last   Checkpoint // the newest to rely on
	behind time.Time  // since when there are entries without a checkpoint; zero for none
	unkept bool       // Keep has not taken last
}

// NewCheckpointer begins to sign.
func NewCheckpointer(cfg CheckpointerConfig) (*Checkpointer, error) {
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.Entries == 0 {
		cfg.Entries = DefaultEntries
	}
	if cfg.Poll == 0 {
		cfg.Poll = defaultPoll
	}
	var errs []error
	if cfg.Store == nil || cfg.Signer == nil || cfg.Log == nil || cfg.Node == "" {
		errs = append(errs, errors.New("audit: checkpointer has no store, signer, node or logger"))
	}
	if cfg.Interval < leastInterval || cfg.Entries < 1 || cfg.Poll < leastPoll {
		errs = append(errs, errors.New("audit: checkpointer: want an interval of 1 s or more, 1 entry or more, and a poll of 10 ms or more"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Checkpointer{cfg: cfg, stop: cancel, done: make(chan struct{})}
	go c.run(ctx)
	return c, nil
}

// Broken reports whether the log did not hold when it was last looked at. Such a
// log is not signed.
func (c *Checkpointer) Broken() bool { return c.broken.Load() }

func (c *Checkpointer) run(ctx context.Context) {
	defer close(c.done)
	ticker := time.NewTicker(c.cfg.Poll)
	defer ticker.Stop()
	var told string
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := c.look(ctx)
		if err == nil || ctx.Err() != nil {
			told = ""
			continue
		}
		if told != err.Error() { // once, not at each poll
			level := slog.LevelWarn
			if errors.Is(err, ErrBroken) {
				level = slog.LevelError
			}
			c.cfg.Log.LogAttrs(ctx, level, "the audit log got no checkpoint", slog.Any("error", err))
		}
		told = err.Error()
	}
}

// look makes a checkpoint when one is due.
func (c *Checkpointer) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if err := c.keep(); err != nil {
		return err
	}
	head, err := c.cfg.Store.Head(ctx)
	if err != nil {
		return err
	}
	if head == c.last.head() {
		c.behind = time.Time{}
		return nil
	}
	if err := c.refresh(ctx); err != nil {
		return err
	}
	due := head.Seq-c.last.Seq >= c.cfg.Entries || time.Since(c.behind) >= c.cfg.Interval
	if head.Seq > c.last.Seq && !due {
		return nil
	}
	return c.sign(ctx) // also when the log went back, to tell so
}

// refresh looks whether another node, or somebody by hand, has signed meanwhile.
func (c *Checkpointer) refresh(ctx context.Context) error {
	last, err := c.cfg.Store.LastCheckpoint(ctx)
	if err != nil {
		return err
	}
	newer := last.Seq > c.last.Seq && (Keyring{c.cfg.Signer.key}).Check(&last) == nil
	if newer {
		c.last = last
	}
	if newer || c.behind.IsZero() {
		c.behind = time.Now()
	}
	return nil
}

func (c *Checkpointer) sign(ctx context.Context) error {
	made, err := signAfter(ctx, c.cfg.Store, c.cfg.Signer, c.cfg.Node, c.last)
	if errors.Is(err, ErrEmpty) {
		return nil
	}
	if err != nil {
		c.broken.Store(errors.Is(err, ErrBroken))
		return err
	}
	c.broken.Store(false)
	if made.Seq == c.last.Seq {
		return nil
	}
	c.last, c.behind, c.unkept = made, time.Time{}, true
	c.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "audit checkpoint", slog.Int64("seq", made.Seq), slog.String("sha256", made.Hash.String()))
	return c.keep()
}

// keep hands the newest checkpoint on, if that is still to be done.
func (c *Checkpointer) keep() error {
	if !c.unkept || c.cfg.Keep == nil {
		return nil
	}
	if err := c.cfg.Keep(c.last); err != nil {
		return err
	}
	c.unkept = false
	return nil
}

// Close signs what has no checkpoint yet, and ends.
func (c *Checkpointer) Close() error {
	c.stop()
	<-c.done
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := c.refresh(ctx); err != nil {
		return err
	}
	return errors.Join(c.keep(), c.sign(ctx))
}
