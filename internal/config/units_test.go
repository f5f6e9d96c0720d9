package config_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/config"
)

const day = 24 * time.Hour

// durations are texts with their values; -1 means an error.
func durations() map[string]time.Duration {
	return map[string]time.Duration{
		"90d": 90 * day, "1d12h": 36 * time.Hour, "2w": 14 * day, "1.5h": 90 * time.Minute, "0.5d": 12 * time.Hour, "30s": 30 * time.Second,
		"1h30m": 90 * time.Minute, "12h1d": 36 * time.Hour, "250ms": 250 * time.Millisecond, "5us": 5000, "5µs": 5000, "0": 0, "0s": 0, "+1s": time.Second,
		"106751d": 106751 * day, "106752d": -1, "15251w": -1, "99999999999999999999h": -1, "106751d24h": -1,
		"": -1, " ": -1, " 1s": -1, "1s ": -1, "1 s": -1, "d": -1, "s": -1, "5": -1, "1.": -1, ".s": -1, "1.2.3s": -1, "-": -1, "+": -1, "--1s": -1,
		"1D": -1, "1y": -1, "1s,": -1, "1e3s": -1, "١s": -1, strings.Repeat("1s", 40): -1,
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range durations() {
		got, err := config.ParseDuration(text)
		switch {
		case want == -1 && err == nil:
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		case want != -1 && (err != nil || got != want):
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	if got, err := config.ParseDuration("-1d12h"); err != nil || got != -36*time.Hour {
		t.Errorf("ParseDuration(-1d12h) = %v, %v, want -36h", got, err)
	}
}

func sizes() map[string]config.Size {
	return map[string]config.Size{
		"0": 0, "1": 1, "64KiB": 64 << 10, "10MB": 10_000_000, "1GiB": 1 << 30, "2GB": 2e9, "5kB": 5000, "5KB": 5000, "7B": 7, "7 B": 7, "3 MiB": 3 << 20,
		"unlimited": config.Unlimited, "9223372036854775806": math.MaxInt64 - 1, "8589934591GiB": 8589934591 << 30,
		"9223372036854775807": -1, "8589934592GiB": -1, "99999999999999999999": -1, "": -1, " ": -1, " 1": -1, "1 ": 1, "1  B": -1, "-1": -1, "+1": -1,
		"KiB": -1, "B": -1, "1.5MB": -1, "1kib": -1, "1TB": -1, "1b": -1, "Unlimited": -1, "١": -1, "1_000": -1, "0x10": -1,
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range sizes() {
		got, err := config.ParseSize(text)
		switch {
		case want == -1 && err == nil:
			t.Errorf("ParseSize(%q) = %v, want an error", text, got)
		case want != -1 && (err != nil || got != want):
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		case want != -1:
			if back, err := config.ParseSize(got.String()); err != nil || back != got {
				t.Errorf("ParseSize(%q) = %d, %v, want %d as before String", got.String(), back, err, got)
			}
		}
	}
	for size, want := range map[config.Size]string{0: "0", 1: "1", 1023: "1023", 1024: "1KiB", 1000: "1KB", 10 << 20: "10MiB", 1536: "1536", config.Unlimited: "unlimited"} {
		if got := size.String(); got != want {
			t.Errorf("Size(%d).String() = %q, want %q", int64(size), got, want)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for text := range durations() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := config.ParseDuration(text)
		if err != nil {
			if len(err.Error()) > 60 {
				t.Errorf("ParseDuration(%q): %v, want an error that does not repeat the text", text, err)
			}
			return
		}
		if back, err := config.ParseDuration(d.String()); d != math.MinInt64 && (err != nil || back != d) {
			t.Errorf("ParseDuration(%q) = %v, and of that %v, %v", text, d, back, err)
		}
		if standard, err := time.ParseDuration(text); err == nil && standard != d {
			t.Errorf("ParseDuration(%q) = %v, want %v as time has it", text, d, standard)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for text := range sizes() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := config.ParseSize(text)
		if err != nil {
			return
		}
		if back, err := config.ParseSize(s.String()); s < 0 || err != nil || back != s {
			t.Errorf("ParseSize(%q) = %d, and of that %v, %v", text, int64(s), back, err)
		}
	})
}
