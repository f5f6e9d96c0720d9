package apikey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
)

// issuer is [exchange.Principal.Issuer] of everybody whom a key proves.
const issuer = "warder"

// VerifierConfig configures a [Verifier].
type VerifierConfig struct {
	_                [0]func()
	Store            Store            // Required. A [Feed] is followed, and its records are cached; any other is asked at every request.
	Peppers          *Peppers         // Required.
	Log              *slog.Logger     // nil: none
	CacheSize        int              // keys, about 300 bytes each and their texts. Default 131072, at most 16777216.
	UnknownCacheSize int              // ids of no key, about 120 bytes each. Default 65536, at most 16777216.
	LookupTimeout    time.Duration    // of one request's look-ups together. Default 2 s.
	Poll             time.Duration    // between two questions for changes. Default 250 ms.
	Freshness        time.Duration    // how long the cache is trusted without an answer to that question. More than Poll. Default 5 s.
	Lease            func() time.Time // until when others wait for this node, less Freshness: the cache is trusted for no longer than Freshness after it. nil: there are no others.
	LegacyFormats    []string         // of [Formats]: imported texts that are taken besides keys of ours. The Store is a [LegacyStore] then. Default: none.
	Tokens           TokenVerifier    // reads tokens that were made from keys; see [Verifier.VerifyToken]. nil: there are none.
	Honeytoken       Alarm            // told of each use of a [KindHoneytoken]; it must not block. May be nil.
	Applied          func(Revision)   // told when every change up to the revision holds here; it must not block. May be nil.
	Rewound          Rewound          // asked when the feed went back to an earlier state. nil: what was remembered is forgotten, and the store believed.
}

const (
	defaultCacheSize     = 1 << 17
	defaultUnknownSize   = 1 << 16
	maxCache             = 1 << 24
	defaultLookupTimeout = 2 * time.Second
	defaultPoll          = 250 * time.Millisecond
	defaultFreshness     = 5 * time.Second
	maxLookups           = 256 // under way at once; a store that hangs holds no more goroutines than that
)

// An Alarm is told that somebody has sent the text of a honeytoken: by a request,
// which it may read until it returns, or by [Verifier.Verify], when x is nil.
type Alarm func(x *exchange.Exchange, id ID)

// Rewound is asked after the feed of a [VerifierConfig] went back, and at each poll
// from then on until it returns nil: only then is the store believed as it is now.
// While it returns an error nobody is verified, and the answer is an error: a key
// that was revoked may be as it was before. ctx bounds it.
type Rewound func(ctx context.Context) error

// A Verifier tells whom the text of a key proves. It is safe for concurrent use.
// Close it to stop its goroutines.
type Verifier struct {
	cfg      VerifierConfig
	log      *slog.Logger
	refusals refusals
	denials  denials
	cache    *cache
	lookups  chan struct{} // one element for each look-up under way
	rehash   rehasher
	legacy   *legacy // nil when no imported text is taken

	confirmed atomic.Pointer[time.Time] // when the newest answered poll began; nil: the cache is not to be trusted
	applied   atomic.Int64
	held      atomic.Bool // the store went back, and is not to be believed

	ctx  context.Context // ends at Close
	stop context.CancelFunc
	life sync.Mutex // orders start and Close
	work sync.WaitGroup
}

// refusals are the verifier's answers, made once.
type refusals struct{ malformed, unknown, wrong, revoked, disabled, expired, certificate, audience, honeytoken error }

var (
	errNoStore    = errors.New("apikey: Store is missing")
	errNoVerifier = errors.New("apikey: Verifier is missing")
	errClosed     = errors.New("apikey: verifier is closed")
	errPepper     = errors.New("apikey: a stored secret uses a pepper that is not configured")
	errBusy       = errors.New("apikey: key store does not answer in time")
	errRewound    = errors.New("apikey: key store went back to an earlier state")
)

// NewVerifier reports everything that is wrong with cfg at once.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	cfg.setDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	v := &Verifier{
		cfg: cfg, log: cfg.Log,
		cache:   newCache(cfg.CacheSize, cfg.UnknownCacheSize),
		lookups: make(chan struct{}, maxLookups),
		rehash:  newRehasher(),
		legacy:  newLegacy(&cfg),
		denials: newDenials(),
		refusals: refusals{
			malformed: authn.Wrong("malformed"), unknown: authn.Wrong("unknown"), wrong: authn.Wrong("wrong-secret"),
			revoked: authn.Wrong("revoked"), disabled: authn.Wrong("disabled"), expired: authn.Wrong("expired"),
			certificate: authn.Wrong("certificate"), audience: authn.Wrong("token-audience"), honeytoken: authn.WrongAs("honeytoken", "unknown"),
		},
	}
	v.ctx, v.stop = context.WithCancel(context.Background())
	if feed, ok := cfg.Store.(Feed); ok {
		f := follower{verifier: v, feed: feed}
		v.start(f.run)
	}
	v.start(v.runRehash)
	return v, nil
}

func (c *VerifierConfig) setDefaults() {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.CacheSize == 0 {
		c.CacheSize = defaultCacheSize
	}
	if c.UnknownCacheSize == 0 {
		c.UnknownCacheSize = defaultUnknownSize
	}
	if c.LookupTimeout == 0 {
		c.LookupTimeout = defaultLookupTimeout
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.Freshness == 0 {
		c.Freshness = defaultFreshness
	}
	if c.Lease == nil {
		c.Lease = time.Now
	}
	if c.Honeytoken == nil {
		c.Honeytoken = func(*exchange.Exchange, ID) {}
	}
	if c.Rewound == nil {
		c.Rewound = func(context.Context) error { return nil }
	}
	if c.Applied == nil {
		c.Applied = func(Revision) {}
	}
}

func (c *VerifierConfig) check() error {
	var errs []error
	if c.Store == nil {
		errs = append(errs, errNoStore)
	}
	if !c.Peppers.usable() {
		errs = append(errs, errNoPeppers)
	}
	errs = append(errs, c.checkLegacy())
	if c.CacheSize < 0 || c.CacheSize > maxCache || c.UnknownCacheSize < 0 || c.UnknownCacheSize > maxCache {
		errs = append(errs, fmt.Errorf("apikey: CacheSize and UnknownCacheSize: want at most %d, not less than 0", maxCache))
	}
	if c.LookupTimeout < 0 || c.Poll < 0 {
		errs = append(errs, errors.New("apikey: LookupTimeout and Poll: want more than 0"))
	}
	if c.Freshness <= c.Poll {
		errs = append(errs, errors.New("apikey: Freshness: want more than Poll"))
	}
	return errors.Join(errs...)
}

// Verify returns whom the text of a key proves. A refusal is an [*authn.Refusal]
// with the reason malformed, unknown, wrong-secret, revoked, disabled, expired,
// certificate or honeytoken; every other error means that nobody knows: the store gave no answer
// within LookupTimeout or ctx ended. Both cost the same for each of the reasons but
// malformed, which costs next to nothing, so that no answer tells which ids exist.
//
// A key that is bound to a certificate, or narrowed in what it may be used for,
// proves nobody here: see [Verifier.VerifyFor]. For the latter the error is an
// [*authn.Denial].
//
// Verify allocates nothing when the key, or that there is none, is cached.
func (v *Verifier) Verify(ctx context.Context, text string) (exchange.Principal, error) {
	info, err := Parse(text)
	if err != nil {
		return v.verifyImported(ctx, claim{text: text})
	}
	return v.verify(ctx, claim{text: text, id: info.ID})
}

// verify is Verify of a text of the right shape.
func (v *Verifier) verify(ctx context.Context, c claim) (exchange.Principal, error) {
	if err := ctx.Err(); err != nil {
		return exchange.Principal{}, fmt.Errorf("apikey: verify: %w", err)
	}
	if c.dry {
		if s := v.standsIn(ctx, c.id); s != nil {
			match, _, err := v.judge(&c, s.entry)
			return v.answer(s, match, &c, err)
		}
	}
	if known := v.cache.shard(c.id).find(c.id); known != nil {
		match, now, err := v.judge(&c, known.entry)
		// Asked last, so that whatever stopped this process meanwhile counts.
		if v.trusted(now) && !known.dead.Load() {
			return v.answer(known, match, &c, err)
		}
	}
	return v.verifyFromStore(ctx, c)
}

// trusted reports whether the cache may be believed at now: a poll that was
// answered began at most Freshness ago, by the monotonic clock and, since that
// one stands still while a machine sleeps, by the wall clock too.
func (v *Verifier) trusted(now time.Time) bool {
	confirmed := v.confirmed.Load()
	return confirmed != nil && now.Sub(*confirmed) <= v.cfg.Freshness &&
		now.UnixNano()-confirmed.UnixNano() <= int64(v.cfg.Freshness)
}

// Invalidate forgets what is cached of id: who is verified from now on is
// verified by what the store says now.
func (v *Verifier) Invalidate(id ID) { v.cache.shard(id).invalidate(id) }

// Fresh reports whether the store answered within Freshness, so that what is
// cached is believed. Without a [Feed] it is always false: nothing is cached.
func (v *Verifier) Fresh() bool { return v.trusted(time.Now()) }

// Applied returns the revision up to which every change holds here; 0 when the
// store is no [Feed].
func (v *Verifier) Applied() Revision { return Revision(v.applied.Load()) }

// start runs f in a goroutine that Close waits for; false after Close.
func (v *Verifier) start(f func()) bool {
	v.life.Lock()
	defer v.life.Unlock()
	if v.ctx.Err() != nil {
		return false
	}
	v.work.Go(f)
	return true
}

// Close stops every goroutine of the verifier and waits for them; Verify then
// returns errors. The error is non-nil when the store still holds one of them
// after LookupTimeout.
func (v *Verifier) Close() error {
	v.life.Lock()
	v.stop()
	v.life.Unlock()
	v.confirmed.Store(nil)
	done := make(chan struct{})
	go func() { v.work.Wait(); close(done) }()
	timer := time.NewTimer(v.cfg.LookupTimeout)
	defer timer.Stop()
	select {
	case <-done:
		v.confirmed.Store(nil) // what a last poll may have set
		return nil
	case <-timer.C:
		return errBusy
	}
}
