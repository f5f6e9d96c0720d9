package fleet_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/fleet"
)

// A registry keeps announcements in memory, by the clock of the test.
type registry struct {
	mu        sync.Mutex
	nodes     map[string]fleet.Node
	announced int
	err       error         // of each call
	hang      chan struct{} // when not nil, Announce waits for it or the context
}

func newRegistry() *registry { return &registry{nodes: map[string]fleet.Node{}} }

func (r *registry) Announce(ctx context.Context, n fleet.Node) error {
	r.mu.Lock()
	hang, err := r.hang, r.err
	r.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		n.Seen = time.Now()
		r.nodes[n.ID] = n
		r.announced++
	}
	return err
}

func (r *registry) Leave(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.nodes, id)
	return r.err
}

func (r *registry) Nodes(ctx context.Context, slack time.Duration) ([]fleet.Node, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var live []fleet.Node
	for _, n := range r.nodes {
		if time.Since(n.Seen) <= n.Lease+slack {
			live = append(live, n)
		}
	}
	return live, errors.Join(r.err, ctx.Err())
}

// set changes the registry under its lock.
func (r *registry) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// count returns the number of announcements so far.
func (r *registry) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.announced
}

func join(t *testing.T, r *registry) *fleet.Member {
	t.Helper()
	m, err := fleet.Join(t.Context(), fleet.MemberConfig{Registry: r, Version: "v1", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("Join = %v, want no error", err)
	}
	return m
}

func closeMember(t *testing.T, m *fleet.Member) {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Errorf("Close = %v, want no error", err)
	}
}

func TestMemberAnnouncesItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		m := join(t, r)
		if got := r.count(); got != 1 {
			t.Errorf("announcements when Join returned = %d, want 1", got)
		}
		time.Sleep(3*fleet.DefaultInterval + time.Millisecond) //nolint:forbidigo // the clock of synctest
		if got := r.count(); got != 4 {
			t.Errorf("announcements after three intervals = %d, want 4", got)
		}
		m.Applied(7)
		synctest.Wait()
		if got := r.count(); got != 5 {
			t.Errorf("announcements after Applied = %d, want 5 at once", got)
		}
		for _, n := range r.nodes {
			if n.Applied != 7 || n.Version != "v1" || n.Host == "" || n.PID == 0 || n.Started.IsZero() {
				t.Errorf("announced %+v, want revision 7 and every field", n)
			}
		}
		m.Applied(7)
		synctest.Wait()
		if got := r.count(); got != 5 {
			t.Errorf("announcements after the same revision = %d, want 5", got)
		}
		m.Applied(3) // the store went back: 7 says nothing of the changes that come
		synctest.Wait()
		for _, n := range r.nodes {
			if n.Applied != 3 {
				t.Errorf("announced revision %d after the store went back, want 3", n.Applied)
			}
		}
		closeMember(t, m)
		closeMember(t, m)
		if len(r.nodes) != 0 {
			t.Errorf("nodes after Close = %d, want 0", len(r.nodes))
		}
	})
}

func TestAppliedDoesNotWaitForTheRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		m := join(t, r)
		hang := make(chan struct{})
		r.set(func() { r.hang = hang })
		begin := time.Now()
		for rev := range apikey.Revision(100) {
			m.Applied(rev)
			synctest.Wait()
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("100 calls of Applied took %v, want none", took)
		}
		r.set(func() { r.hang = nil })
		close(hang)
		synctest.Wait()
		if receipt, err := fleet.Await(t.Context(), r, 99, time.Minute); err != nil || receipt.String() != "1/1 in 0 ms" {
			t.Errorf("Await = %v, %v, want 1/1 in 0 ms", receipt, err)
		}
		closeMember(t, m)
	})
}

func TestMemberOutlivesAFailingRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		m := join(t, r)
		r.set(func() { r.err = errors.New("down") })
		m.Applied(1)
		time.Sleep(10 * time.Second) //nolint:forbidigo // the clock of synctest
		r.set(func() { r.err = nil })
		time.Sleep(fleet.DefaultInterval) //nolint:forbidigo // the clock of synctest
		synctest.Wait()
		if receipt, err := fleet.Await(t.Context(), r, 1, time.Second); err != nil || !receipt.Complete() || receipt.Nodes != 1 {
			t.Errorf("Await after the registry came back = %v, %v, want 1/1", receipt, err)
		}
		closeMember(t, m)
	})
}

func TestJoinRefuses(t *testing.T) {
	down, log := newRegistry(), slog.New(slog.DiscardHandler)
	down.err = errors.New("down")
	for name, cfg := range map[string]fleet.MemberConfig{
		"no registry":       {Log: log},
		"no logger":         {Registry: newRegistry()},
		"negative interval": {Registry: newRegistry(), Log: log, Interval: -1},
		"interval too long": {Registry: newRegistry(), Log: log, Interval: fleet.DefaultLease},
		"registry is down":  {Registry: down, Log: log},
	} {
		if m, err := fleet.Join(t.Context(), cfg); err == nil || m != nil {
			t.Errorf("%s: Join = %v, %v, want an error", name, m, err)
		}
	}
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, bound := newRegistry(), 3*time.Second
		if receipt, err := fleet.Await(t.Context(), r, 5, bound); err != nil || receipt.String() != "0/0 in 0 ms" || !receipt.Complete() {
			t.Errorf("Await without nodes = %v, %v, want 0/0", receipt, err)
		}
		one, two := join(t, r), join(t, r)
		one.Applied(6)
		synctest.Wait()
		receipt, err := fleet.Await(t.Context(), r, 5, bound)
		if err != nil || receipt.Complete() || receipt.String() != "1/2 in 3000 ms" || len(receipt.Missing) != 1 || receipt.Revision != 5 {
			t.Errorf("Await = %v (missing %v), %v, want 1/2 in 3000 ms", receipt, receipt.Missing, err)
		}
		if missing := receipt.Missing; !slices.ContainsFunc(missing, func(n fleet.Node) bool { return n.Host != "" && n.PID != 0 && !n.Seen.IsZero() }) {
			t.Errorf("Missing = %+v, want host, pid and last seen", missing)
		}
		time.AfterFunc(50*time.Millisecond, func() { two.Applied(5) })
		if receipt, err := fleet.Await(t.Context(), r, 5, bound); err != nil || receipt.String() != "2/2 in 60 ms" {
			t.Errorf("Await = %v, %v, want 2/2 in 60 ms", receipt, err)
		}
		closeMember(t, two)
		if receipt, err := fleet.Await(t.Context(), r, 6, bound); err != nil || receipt.String() != "1/1 in 0 ms" {
			t.Errorf("Await after a node left = %v, %v, want 1/1", receipt, err)
		}
		closeMember(t, one)
	})
}

func TestAwaitDoesNotCountTheSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		if err := r.Announce(t.Context(), fleet.Node{ID: "killed", Lease: fleet.DefaultLease}); err != nil {
			t.Fatal(err)
		}
		receipt, err := fleet.Await(t.Context(), r, 1, time.Minute)
		if err != nil || receipt.Nodes != 0 || receipt.Took < fleet.DefaultLease+fleet.Slack || receipt.Took > fleet.DefaultLease+fleet.Slack+100*time.Millisecond {
			t.Errorf("Await = %v, %v, want 0/0 after %v", receipt, err, fleet.DefaultLease+fleet.Slack)
		}
	})
}

// A node may believe what it remembers for its whole lease after an announcement
// began: for so long, at least, it is waited for.
func TestANodeIsWaitedForAsLongAsItBelieves(t *testing.T) {
	for _, lease := range []time.Duration{time.Second, 5 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			r := newRegistry()
			m, err := fleet.Join(t.Context(), fleet.MemberConfig{Registry: r, Version: "v1", Lease: lease, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			r.set(func() { r.err = errors.New("locked") }) // it runs, and cannot say so
			time.Sleep(lease - time.Millisecond)           //nolint:forbidigo // the clock of synctest
			r.set(func() { r.err = nil })
			believes := time.Since(m.Announced()) <= lease
			receipt, err := fleet.Await(t.Context(), r, 1, time.Millisecond)
			if err != nil || believes && receipt.Complete() {
				t.Errorf("lease %v: %v, %v, complete although the node believes what it remembers", lease, receipt, err)
			}
			closeMember(t, m)
		})
	}
}

func TestAwaitErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		if err := r.Announce(t.Context(), fleet.Node{ID: "behind"}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		receipt, err := fleet.Await(ctx, r, 1, time.Minute)
		if !errors.Is(err, context.DeadlineExceeded) || receipt.Nodes != 1 || receipt.Complete() {
			t.Errorf("Await with a context that ends = %v, %v, want 0/1 and its error", receipt, err)
		}
		r.set(func() { r.err = errors.New("down") })
		if receipt, err := fleet.Await(t.Context(), r, 1, time.Minute); !errors.Is(err, r.err) || receipt.Complete() {
			t.Errorf("Await = %v, %v, want the registry's error and no complete receipt", receipt, err)
		}
	})
}
