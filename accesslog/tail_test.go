package accesslog_test

import (
	"bytes"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/exchange"
)

func newTailed(tb testing.TB, h slog.Handler) (*accesslog.Stage, *accesslog.Tail) {
	tb.Helper()
	tail := new(accesslog.Tail)
	s, err := accesslog.New(accesslog.Config{Logger: slog.New(h), Tail: tail})
	if err != nil {
		tb.Fatal(err)
	}
	return s, tail
}

// as is the record as a handler of JSON writes it.
func as(t *testing.T, told *accesslog.Told) map[string]any {
	t.Helper()
	var out bytes.Buffer
	r := slog.NewRecord(told.At, slog.LevelInfo, "request", 0)
	r.AddAttrs(told.Attrs...)
	if err := slog.NewJSONHandler(&out, nil).Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return decode(t, out.String())
}

func TestATailTellsWhatIsLogged(t *testing.T) {
	var out bytes.Buffer
	s, tail := newTailed(t, slog.NewJSONHandler(&out, nil))
	s.Done(ordinary(), done()) // before anybody follows
	f := tail.Follow()
	defer f.Close()
	refused := done()
	refused.Status, refused.Reason, refused.Trace.Stage = 401, "revoked", "authn"
	known, unknown := ordinary(), ordinary()
	known.Principal.Owner = "acme"
	unknown.Principal, unknown.Claim = exchange.Principal{}, "a1B2c3D4e5F6"
	out.Reset()
	s.Done(known, done())
	s.Done(unknown, refused)
	dry := ordinary()
	dry.Dry = true
	s.Done(dry, done())

	to := make([]*accesslog.Told, 8)
	if n, missed := f.Next(to); n != 2 || missed != 0 {
		t.Fatalf("%d records, and %d missed, want 2 and 0", n, missed)
	}
	for i, line := range strings.SplitAfter(out.String(), "\n")[:2] {
		if got, want := as(t, to[i]), decode(t, line); !maps.Equal(got, want) {
			t.Errorf("told = %v, want what is logged: %v", got, want)
		}
	}
	if !to[0].Proved || to[0].Owner != "acme" || to[1].Proved || to[1].Owner != "" {
		t.Errorf("proved = %v of %q and %v of %q, want true of acme, and nobody", to[0].Proved, to[0].Owner, to[1].Proved, to[1].Owner)
	}
	if n, _ := f.Next(to); n != 0 {
		t.Errorf("%d records more, want none", n)
	}
}

// What the level leaves out of the log is told nevertheless.
func TestATailGoesByNoLevel(t *testing.T) {
	var out bytes.Buffer
	s, tail := newTailed(t, slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}))
	f := tail.Follow()
	s.Done(ordinary(), done())
	if n, _ := f.Next(make([]*accesslog.Told, 2)); n != 1 || out.Len() != 0 {
		t.Errorf("%d records told, and %q logged, want one and nothing", n, out.String())
	}
	f.Close()
	f.Close()
	if n, _ := f.Next(make([]*accesslog.Told, 2)); n != 0 || tail.Followers() != 0 {
		t.Errorf("%d records after Close, and %d follow, want none", n, tail.Followers())
	}
}

// statusOf is the status that a record tells, by which these tests count.
func statusOf(told *accesslog.Told) int {
	for _, a := range told.Attrs {
		if a.Key == "status" {
			return int(a.Value.Int64())
		}
	}
	return 0
}

func TestWhoIsSlowMissesTheOldest(t *testing.T) {
	s, tail := newTailed(t, slog.NewJSONHandler(nowhere(), nil))
	slow, quick := tail.Follow(), tail.Follow()
	defer slow.Close()
	defer quick.Close()
	to := make([]*accesslog.Told, 100)
	const beyond = 250
	read := 0
	for i := range accesslog.TailSize + beyond {
		o := done()
		o.Status = i
		s.Done(ordinary(), o)
		if i%50 == 0 {
			n, missed := quick.Next(to)
			if read += n; missed != 0 {
				t.Fatalf("who keeps up missed %d", missed)
			}
		}
	}
	n, missed := slow.Next(to)
	if n != len(to) || missed != beyond || statusOf(to[0]) != beyond {
		t.Fatalf("%d records after %d missed, the first is number %d, want %d after %d", n, missed, statusOf(to[0]), len(to), beyond)
	}
	for want := beyond + n; ; {
		n, missed := slow.Next(to)
		for _, told := range to[:n] {
			if got := statusOf(told); got != want {
				t.Fatalf("record %d, want %d", got, want)
			}
			want++
		}
		if missed != 0 {
			t.Fatalf("missed %d again", missed)
		}
		if n == 0 {
			if want != accesslog.TailSize+beyond {
				t.Errorf("the last record is %d", want-1)
			}
			break
		}
	}
	if got := tail.Missed(); got != beyond {
		t.Errorf("Missed = %d, want %d", got, beyond)
	}
}

// Everything that many tell at once is either read, once and in its turn, or missed.
func TestATailCountsRight(t *testing.T) {
	s, tail := newTailed(t, slog.NewJSONHandler(nowhere(), nil))
	const writers, each, readers = 8, 2000, 4
	var told, read sync.WaitGroup
	over := make(chan struct{})
	for range readers {
		f := tail.Follow()
		read.Go(func() {
			defer f.Close()
			to, sum := make([]*accesslog.Told, 64), uint64(0)
			for last := false; ; {
				n, missed := f.Next(to)
				sum += uint64(n) + missed
				if n > 0 {
					continue
				}
				if last {
					break
				}
				select {
				case <-over:
					last = true
				default:
				}
			}
			if sum != writers*each {
				t.Errorf("%d records were read or missed, want %d", sum, writers*each)
			}
		})
	}
	for range writers {
		told.Go(func() {
			x, o := ordinary(), done()
			for range each {
				s.Done(x, o)
			}
		})
	}
	told.Wait()
	close(over)
	read.Wait()
}

func TestATailCostsNothingWithoutFollowers(t *testing.T) {
	want := 0.0
	if raceEnabled {
		want = 2 // as in TestRecordAllocatesNothing
	}
	s, tail := newTailed(t, slog.NewJSONHandler(nowhere(), nil))
	tail.Follow().Close()
	x, o := ordinary(), done()
	if got := testing.AllocsPerRun(500, func() { s.Done(x, o) }); got > want {
		t.Errorf("%v allocations, want %v", got, want)
	}
	defer tail.Follow().Close()
	for range 999 {
		defer tail.Follow().Close()
	}
	if got := testing.AllocsPerRun(500, func() { s.Done(x, o) }); got > want+2 {
		t.Errorf("%v allocations for 1,000 who follow, want 2: the record and its fields", got)
	}
}

func BenchmarkTail(b *testing.B) {
	for name, followers := range map[string]int{"nobody": 0, "1": 1, "1000": 1000} {
		b.Run(name, func(b *testing.B) {
			s, tail := newTailed(b, slog.NewJSONHandler(nowhere(), nil))
			for range followers {
				defer tail.Follow().Close()
			}
			x, o := ordinary(), done()
			b.ReportAllocs()
			for b.Loop() {
				s.Done(x, o)
			}
		})
	}
}
