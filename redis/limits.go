package redis

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed" // the scripts
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/ratelimit"
)

//go:embed take.lua
var takeScript string

// Limits counts in a server for all nodes, by the server's clock. It implements
// [ratelimit.Store].
type Limits struct {
	cfg   *Config
	key   []byte
	calls calls

	routes atomic.Pointer[routes] // nil until the first connection
	fleet  atomic.Pointer[ratelimit.Fleet]
	anew   func(ctx context.Context, key string) error // set before the routes: forgets key and begins an epoch
}

var _ ratelimit.Store = (*Limits)(nil)

func newLimits(cfg *Config) *Limits {
	l := &Limits{cfg: cfg, key: []byte(cfg.HashKey.Reveal())}
	l.fleet.Store(&ratelimit.Fleet{Nodes: cfg.Nodes})
	return l
}

// Fleet returns how many nodes were last seen, and the epoch.
func (l *Limits) Fleet() ratelimit.Fleet { return *l.fleet.Load() }

const maxClaims = 16

// Take judges claims as [ratelimit.Store] says. Errors are [ErrAway], [ErrLate],
// [ErrBusy], that of ctx, or the server's own; and of claims that are none.
func (l *Limits) Take(ctx context.Context, claims []ratelimit.Claim, dry bool) error {
	keys, args, err := l.call(claims, dry)
	if err != nil {
		return err
	}
	lane := l.lane(l.tag(claims[0].Near))
	if lane == nil {
		return ErrAway
	}
	answer, err := lane.do(ctx, keys, args)
	if err != nil {
		return err
	}
	return unpack(answer, claims)
}

// call returns the keys and arguments of the script.
func (l *Limits) call(claims []ratelimit.Claim, dry bool) (keys, args []string, err error) {
	if n := len(claims); n < 1 || n > maxClaims {
		return nil, nil, fmt.Errorf("redis: %d claims at once, want 1 to %d", n, maxClaims)
	}
	tag := l.tag(claims[0].Near)
	keys = make([]string, len(claims))
	packed := make([]byte, 0, len(claims)*claimSize)
	for i := range claims {
		c := &claims[i]
		if c.Near != claims[0].Near {
			return nil, nil, errors.New("redis: the claims are of more than one Near")
		}
		if packed, err = pack(packed, c); err != nil {
			return nil, nil, err
		}
		keys[i] = l.name(tag, c.Limit, c.Subject)
	}
	how := ""
	if dry {
		how = "1"
	}
	return keys, []string{string(packed), how}, nil
}

// Reset forgets a subject, and tells all nodes to forget what they learnt.
func (l *Limits) Reset(ctx context.Context, limit string, subject, near ratelimit.Digest) error {
	if l.lane(l.tag(near)) == nil {
		return ErrAway
	}
	return l.anew(ctx, l.name(l.tag(near), limit, subject))
}

// tag is what decides in which slot of a cluster a counter is: the keys of one
// request have one.
func (l *Limits) tag(near ratelimit.Digest) string {
	if near == (ratelimit.Digest{}) {
		return "limits"
	}
	near = l.hash("", near)
	return hex.EncodeToString(near[:8])
}

// name is the key of a counter.
func (l *Limits) name(tag, limit string, subject ratelimit.Digest) string {
	subject = l.hash(limit, subject)
	var some [160]byte
	b := append(some[:0], l.cfg.Prefix...)
	b = append(append(append(b, ":{"...), tag...), "}:"...)
	b = append(append(b, limit...), ':')
	return string(base64.RawURLEncoding.AppendEncode(b, subject[:]))
}

// hash makes d unreadable for whoever can guess subjects, when there is a key.
func (l *Limits) hash(limit string, d ratelimit.Digest) ratelimit.Digest {
	if len(l.key) == 0 {
		return d
	}
	h := hmac.New(sha256.New, l.key)
	h.Write([]byte(limit))
	h.Write([]byte{0})
	h.Write(d[:])
	copy(d[:], h.Sum(nil))
	return d
}

// lane returns the lane of a tag; nil before the first connection, and for a slot
// that no server has.
func (l *Limits) lane(tag string) *lane {
	if r := l.routes.Load(); r != nil {
		return r.lane(tag)
	}
	return nil
}

const (
	claimSize = 6 * 8 // what pack adds
	saidSize  = 3 * 8 // what is answered for each
)

// pack adds what the script reads of a claim: kind, cost, span, denominator. A time
// is whole microseconds and a fraction of a thousand times Count, which is less than
// 2^40; a whole burst is at most 2^49 microseconds. So every number is exact.
func pack(b []byte, c *ratelimit.Claim) ([]byte, error) {
	q := c.Quota
	if q.Count < 1 || q.Count > 1e9 || q.Per < 1 || q.Burst < 1 || q.Burst > 1e9 || c.Cost < 1 || c.Cost > q.Burst || c.Kind > ratelimit.Forced ||
		strings.ContainsAny(c.Limit, "{}") {
		return nil, fmt.Errorf("redis: the claim on limit %q is none", c.Limit)
	}
	cost, rest, ok := span(q, c.Cost)
	whole, part, fits := span(q, q.Burst)
	if !ok || !fits {
		return nil, fmt.Errorf("redis: the quota of limit %q takes too long to refill", c.Limit)
	}
	for _, n := range [...]uint64{uint64(c.Kind), cost, rest, whole, part, uint64(q.Count) * 1000} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(n)))
	}
	return b, nil
}

// span is how long n requests take to be refilled.
func span(q ratelimit.Quota, n int) (us, rest uint64, ok bool) {
	den := uint64(q.Count) * 1000                  //nolint:gosec // checked by pack
	hi, lo := bits.Mul64(uint64(n), uint64(q.Per)) //nolint:gosec // checked by pack
	if hi >= den {
		return 0, 0, false
	}
	us, rest = bits.Div64(hi, lo, den)
	return us, rest, us < 1<<49
}

// unpack reads what the script answered into the claims.
func unpack(answer string, claims []ratelimit.Claim) error {
	if len(answer) != 8+len(claims)*saidSize {
		return fmt.Errorf("redis: the script answered %d bytes, want %d", len(answer), 8+len(claims)*saidSize)
	}
	rest := answer[8:]
	for i := range claims {
		c := &claims[i]
		count := int64(c.Quota.Count)
		var n [3]int64
		for j, most := range [...]float64{1, 1 << 51, float64(count)*1000 - 1} {
			var raw [8]byte
			copy(raw[:], rest[8*j:])
			f := math.Float64frombits(binary.LittleEndian.Uint64(raw[:]))
			if !(f >= 0 && f <= most) || f != math.Trunc(f) { // not a number is neither
				return errors.New("redis: the script answered what it cannot have worked out")
			}
			n[j] = int64(f)
		}
		rest = rest[saidSize:]
		c.OK = n[0] == 1
		c.Debt = time.Duration(n[1])*time.Microsecond + time.Duration(n[2]/count)
		c.Fraction = int(n[2] % count)
	}
	return nil
}

// slots is how many a cluster has.
const slots = 1 << 14

// slot is the slot of a hash tag: its CRC-16 of the kind that XMODEM has, as the
// specification of Redis clusters says.
func slot(tag string) uint16 {
	var crc uint16
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % slots
}
