package tracing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// A parent is the span that a request is a part of.
type parent struct {
	trace [16]byte
	span  [8]byte
	flags byte
	state string
	local bool // it is a span of this program
}

// flagSampled says that the caller may have recorded its span (W3C Trace Context,
// section 3.2.2.5.1).
const flagSampled = 1

// Sizes of a traceparent (W3C Trace Context, section 3.2): that of version 00, and
// how much of a later one is known.
const (
	parentLength = 55
	maxState     = 512 // bytes of tracestate that are passed on (section 3.3.1.5)
)

func (p *parent) spanText() string { return hex.EncodeToString(p.span[:]) }

// parseParent returns the parent that h names; nil for none, and for one that is not
// of the standard's form. A tracestate that is not does not spoil its parent.
func parseParent(h http.Header) *parent {
	values := h["Traceparent"]
	if len(values) != 1 {
		return nil
	}
	p := readParent(values[0])
	if p != nil {
		p.state = readState(h["Tracestate"])
	}
	return p
}

// readParent reads one traceparent, of any version that begins as 00 does.
func readParent(text string) *parent {
	if len(text) < parentLength || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return nil
	}
	version := text[:2]
	if version == "ff" || !lowerHex(version) || version == "00" && len(text) > parentLength || len(text) > parentLength && text[parentLength] != '-' || len(text) > maxState {
		return nil
	}
	p := new(parent)
	var flags [1]byte
	for _, part := range []struct {
		into []byte
		from string
	}{{p.trace[:], text[3:35]}, {p.span[:], text[36:52]}, {flags[:], text[53:55]}} {
		if !lowerHex(part.from) {
			return nil
		}
		if _, err := hex.Decode(part.into, []byte(part.from)); err != nil {
			return nil
		}
	}
	if p.trace == [16]byte{} || p.span == [8]byte{} {
		return nil
	}
	p.flags = flags[0]
	return p
}

func lowerHex(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }

// readState returns tracestate as one value; "" when it is too long or not printable.
func readState(lines []string) string {
	state := strings.Join(lines, ",")
	if len(state) > maxState {
		return ""
	}
	for i := range len(state) {
		if b := state[i]; (b < ' ' && b != '\t') || b >= 0x7f {
			return ""
		}
	}
	return state
}

// formatParent writes a traceparent of version 00.
func formatParent(trace *[16]byte, span *[8]byte, record bool) string {
	var text [parentLength]byte
	put(text[:], trace, span, record)
	return string(text[:])
}

func put(text []byte, trace *[16]byte, span *[8]byte, record bool) {
	copy(text, "00-")
	hex.Encode(text[3:], trace[:])
	text[35] = '-'
	hex.Encode(text[36:], span[:])
	copy(text[52:], "-00")
	if record {
		text[54] = '1'
	}
}

type heardKey struct{}

// heard is what [Tracer.Hear] or [Within] found; nil for nothing.
func heard(ctx context.Context) *parent {
	p, _ := ctx.Value(heardKey{}).(*parent)
	return p
}

// Hear lets next know which span asks, where whoever holds the connection is
// believed: for fronts whose questions are about other requests.
func (t *Tracer) Hear(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header["Traceparent"] != nil {
			remote, _ := netip.ParseAddrPort(r.RemoteAddr) // none of a Unix socket
			if t.trusts(remote) {
				if p := parseParent(r.Header); p != nil {
					r = r.WithContext(context.WithValue(r.Context(), heardKey{}, p))
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Within returns ctx for a request that is judged on behalf of x: its span is a part
// of that of x. It is ctx itself when x is not traced.
func Within(ctx context.Context, x *exchange.Exchange) context.Context {
	if x == nil {
		return ctx
	}
	p := readParent(x.Span.Parent)
	if p == nil {
		return ctx
	}
	p.local, p.state = true, x.Span.State
	return context.WithValue(ctx, heardKey{}, p)
}

// batchSize is how many ids are made at once: one call to the random source for all
// of them.
const batchSize = 32

// maxAge is how long ids are kept that were made and not used.
const maxAge = time.Second

// ids makes the ids of traces and spans. It allocates nothing for most of them.
type ids struct {
	roots sync.Pool // *rootBatch
	spans sync.Pool // *spanBatch
}

// A rootBatch is traceparents of traces that begin here, one string behind the
// other, with their ids.
type rootBatch struct {
	text   string
	traces [batchSize][16]byte
	left   int
	made   time.Time
}

type spanBatch struct {
	ids  [batchSize][8]byte
	left int
}

// root returns the traceparent of a new trace that is not recorded, and its id.
func (i *ids) root(now time.Time) (text string, trace [16]byte) {
	b, _ := i.roots.Get().(*rootBatch)
	if b == nil {
		b = new(rootBatch)
	}
	if b.left == 0 || now.Sub(b.made) > maxAge {
		b.fill(now)
	}
	b.left--
	text, trace = b.text[b.left*parentLength:(b.left+1)*parentLength], b.traces[b.left]
	i.roots.Put(b)
	return text, trace
}

func (b *rootBatch) fill(now time.Time) {
	var random [batchSize * (16 + 8)]byte
	_, _ = rand.Read(random[:]) // never fails
	var text [batchSize * parentLength]byte
	for n := range batchSize {
		from := random[n*24:]
		b.traces[n] = [16]byte(from[:16])
		span := [8]byte(from[16:24])
		valid(b.traces[n][:])
		valid(span[:])
		put(text[n*parentLength:], &b.traces[n], &span, false)
	}
	b.text, b.left, b.made = string(text[:]), batchSize, now
}

// span returns the id of a new span.
func (i *ids) span() [8]byte {
	b, _ := i.spans.Get().(*spanBatch)
	if b == nil {
		b = new(spanBatch)
	}
	if b.left == 0 {
		var random [batchSize * 8]byte
		_, _ = rand.Read(random[:]) // never fails
		for n := range b.ids {
			b.ids[n] = [8]byte(random[n*8:])
			valid(b.ids[n][:])
		}
		b.left = batchSize
	}
	b.left--
	id := b.ids[b.left]
	i.spans.Put(b)
	return id
}

// valid makes an id of one that is all zero, which is none.
func valid(id []byte) {
	for _, b := range id {
		if b != 0 {
			return
		}
	}
	id[0] = 1
}
