package apikeytest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

func contextRules() []rule {
	return []rule{
		{"after the end of its context a method gives no answer", func(t *testing.T, s Full) {
			before := mustCreate(t, s, plainRecord(testID(1)))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for name, call := range calls(s, before) {
				t.Run(name, func(t *testing.T) { wantEnded(t, call(ctx), context.Canceled) })
			}
			wantEqual(t, "Revision", mustRevision(t, s), before.Revision)
			wantRecord(t, mustLookup(t, s, before.ID), before)
		}},
		{"after its deadline a method gives no answer", func(t *testing.T, s Full) {
			before := mustCreate(t, s, plainRecord(testID(1)))
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
			defer cancel()
			for name, call := range calls(s, before) {
				t.Run(name, func(t *testing.T) { wantEnded(t, call(ctx), context.DeadlineExceeded) })
			}
		}},
		{"a cancelled change is whole or absent", contextMidway},
	}
}

// calls returns a call of each method, by its name.
func calls(s Full, before apikey.Record) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Lookup":        func(ctx context.Context) error { _, err := s.Lookup(ctx, before.ID); return err },
		"Lookup absent": func(ctx context.Context) error { _, err := s.Lookup(ctx, "no"); return err },
		"Apply create":  func(ctx context.Context) error { _, err := s.Apply(ctx, createOf(plainRecord("new"))); return err },
		"Apply change":  func(ctx context.Context) error { _, err := s.Apply(ctx, renamed(before, "new")); return err },
		"List":          func(ctx context.Context) error { _, err := s.List(ctx, "", 10); return err },
		"PepperIDs":     func(ctx context.Context) error { _, err := s.PepperIDs(ctx); return err },
		"Revision":      func(ctx context.Context) error { _, err := s.Revision(ctx); return err },
		"Changes":       func(ctx context.Context) error { _, _, err := s.Changes(ctx, 0, 10); return err },
	}
}

// wantEnded reports that err does not say that the context ended.
func wantEnded(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || isAnswer(err) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// contextMidway cancels at moments that differ, some of them within Apply.
func contextMidway(t *testing.T, s Full) {
	for i := range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*10*time.Microsecond)
		rev, err := s.Apply(ctx, createOf(fullRecord(testID(i))))
		cancel()
		got, lookupErr := s.Lookup(t.Context(), testID(i))
		switch {
		case lookupErr == nil:
			wantRecord(t, got, fullRecord(testID(i))) // also when the answer came too late
		case !errors.Is(lookupErr, apikey.ErrNotFound):
			t.Fatalf("Lookup = %v", lookupErr)
		case err == nil:
			t.Fatalf("Apply = revision %d, but the record is absent", rev)
		}
	}
}
