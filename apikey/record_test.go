package apikey_test

import (
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

func TestState(t *testing.T) {
	attack.Case(t, "KEY-19", attack.Library, func(t *testing.T) {
		now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		before, after := now.Add(-time.Nanosecond), now.Add(time.Nanosecond)
		elsewhere := time.FixedZone("elsewhere", 9*3600)
		for _, tt := range []struct {
			name   string
			record apikey.Record
			want   apikey.State
		}{
			{"never expires", apikey.Record{}, apikey.Active},
			{"expires 1 ns later", apikey.Record{Expires: after}, apikey.Active},
			{"expires now", apikey.Record{Expires: now}, apikey.Expired},
			{"expires now, in another zone", apikey.Record{Expires: now.In(elsewhere)}, apikey.Expired},
			{"expired 1 ns ago", apikey.Record{Expires: before}, apikey.Expired},
			{"disabled", apikey.Record{Disabled: true}, apikey.Disabled},
			{"disabled and expired", apikey.Record{Disabled: true, Expires: before}, apikey.Disabled},
			{"revoked", apikey.Record{Revoked: before}, apikey.Revoked},
			{"revoked later: the clock was set back", apikey.Record{Revoked: now.Add(24 * time.Hour)}, apikey.Revoked},
			{"revoked, disabled and expired", apikey.Record{Revoked: before, Disabled: true, Expires: before}, apikey.Revoked},
		} {
			if got := tt.record.State(now); got != tt.want {
				t.Errorf("%s: State = %s, want %s", tt.name, got, tt.want)
			}
		}
	})
}
