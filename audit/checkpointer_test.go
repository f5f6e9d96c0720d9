package audit_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/audit/audittest"
)

// grow appends n entries.
func grow(t *testing.T, store audit.Store, n int) {
	t.Helper()
	for i := range n {
		if _, err := store.Append(t.Context(), audittest.Event(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// A run is a checkpointer with what it leaves.
type run struct {
	*audit.Checkpointer
	store audit.Store
	log   *bytes.Buffer
	kept  []int64
	fail  error // of Keep
}

func start(t *testing.T, store audit.Store, signer *audit.Signer) *run {
	t.Helper()
	r := &run{store: store, log: new(bytes.Buffer)}
	var err error
	r.Checkpointer, err = audit.NewCheckpointer(audit.CheckpointerConfig{
		Store: store, Signer: signer, Node: "n", Interval: time.Minute, Entries: 10, Poll: time.Second, Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Keep: func(c audit.Checkpoint) error {
			if r.fail != nil {
				return r.fail
			}
			r.kept = append(r.kept, c.Seq)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantSigned lets time pass and compares the newest checkpoint.
func (r *run) wantSigned(t *testing.T, after time.Duration, want int64) {
	t.Helper()
	time.Sleep(after) //nolint:forbidigo // of a bubble: no time passes
	synctest.Wait()
	if c, err := r.store.LastCheckpoint(t.Context()); err != nil || c.Seq != want {
		t.Errorf("the newest checkpoint is that of %d, %v, want %d", c.Seq, err, want)
	}
}

func newSigner(t *testing.T) *audit.Signer {
	t.Helper()
	s, err := audit.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCheckpointsAreMadeByCountAndByTime(t *testing.T) {
	signer := newSigner(t)
	synctest.Test(t, func(t *testing.T) {
		r := start(t, new(audit.MemoryStore), signer)
		r.wantSigned(t, time.Hour, 0) // of an empty log there is none
		grow(t, r.store, 9)
		r.wantSigned(t, 30*time.Second, 0)
		grow(t, r.store, 1)
		r.wantSigned(t, 2*time.Second, 10) // by count
		grow(t, r.store, 1)
		r.wantSigned(t, 50*time.Second, 10)
		r.wantSigned(t, 15*time.Second, 11) // by time
		r.wantSigned(t, time.Hour, 11)      // and none without anything new
		grow(t, r.store, 2)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		r.wantSigned(t, 0, 13) // at the end
		if len(r.kept) != 3 || r.kept[2] != 13 || r.Broken() {
			t.Errorf("kept %v, want those of 10, 11 and 13", r.kept)
		}
		if got := strings.Count(r.log.String(), "audit checkpoint"); got != 3 {
			t.Errorf("the log tells of %d checkpoints, want 3:\n%s", got, r.log)
		}
		if head, err := audit.Verify(t.Context(), r.store, audit.Keyring{signer.PublicKey()}, nil); err != nil || head.Seq != 13 {
			t.Errorf("Verify = %d, %v", head.Seq, err)
		}
	})
}

// What could not be kept elsewhere is tried again, and told once.
func TestAPlaceThatIsFullGetsTheCheckpointLater(t *testing.T) {
	signer := newSigner(t)
	synctest.Test(t, func(t *testing.T) {
		r := start(t, new(audit.MemoryStore), signer)
		r.fail = errors.New("no space left")
		grow(t, r.store, 10)
		r.wantSigned(t, 10*time.Second, 10)
		if got := strings.Count(r.log.String(), "no space left"); got != 1 {
			t.Errorf("the failure is told %d times, want once:\n%s", got, r.log)
		}
		r.fail = nil
		r.wantSigned(t, 5*time.Second, 10)
		if len(r.kept) != 1 || r.kept[0] != 10 {
			t.Errorf("kept %v, want that of 10", r.kept)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A log that was cut while it runs is not signed, and told as an error.
func TestABrokenLogIsNotSigned(t *testing.T) {
	signer := newSigner(t)
	synctest.Test(t, func(t *testing.T) {
		store := &cutStore{new(audit.MemoryStore), 10}
		r := start(t, store, signer)
		grow(t, store, 10)
		r.wantSigned(t, 2*time.Second, 10)
		store.at = 7
		r.wantSigned(t, 10*time.Second, 10)
		if !r.Broken() || strings.Count(r.log.String(), "level=ERROR") != 1 || !strings.Contains(r.log.String(), "broken at entry 8") {
			t.Errorf("broken is %v, the log:\n%s", r.Broken(), r.log)
		}
		if err := r.Close(); !errors.Is(err, audit.ErrBroken) {
			t.Errorf("Close = %v, want a broken log", err)
		}
	})
}

// Two nodes of one log sign it once.
func TestTwoNodesShareTheWork(t *testing.T) {
	signer := newSigner(t)
	synctest.Test(t, func(t *testing.T) {
		store := new(audit.MemoryStore)
		a, b := start(t, store, signer), start(t, store, signer)
		for n := range 5 {
			grow(t, store, 10)
			a.wantSigned(t, 3*time.Second, int64(10*(n+1)))
		}
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			t.Fatal(err)
		}
		if all, err := store.Checkpoints(t.Context(), 0, 100); err != nil || len(all) != 5 {
			t.Errorf("%d checkpoints, %v, want 5", len(all), err)
		}
	})
}

func TestCheckpointerConfig(t *testing.T) {
	_, err := audit.NewCheckpointer(audit.CheckpointerConfig{Interval: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "no store") || !strings.Contains(err.Error(), "interval") {
		t.Errorf("NewCheckpointer = %v, want every error at once", err)
	}
}
