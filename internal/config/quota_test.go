package config_test

import (
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
)

// quotas are texts, and what they mean; nil for none.
func quotas() map[string]*exchange.Quota {
	return map[string]*exchange.Quota{
		"key=100/1m": {Name: "key", Count: 100, Per: time.Minute}, "key=100/1m/200": {Name: "key", Count: 100, Per: time.Minute, Burst: 200},
		"key=5/s": {Name: "key", Count: 5, Per: time.Second}, "a.b-c_d=1/366d": {Name: "a.b-c_d", Count: 1, Per: 366 * 24 * time.Hour},
		"=1/1m": {Count: 1, Per: time.Minute}, "key=1/1h30m": {Name: "key", Count: 1, Per: 90 * time.Minute},
		"": nil, "key": nil, "key=1": nil, "key=1/": nil, "key=0/1m": nil, "key=-1/1m": nil, "key=+1/1m": nil, "key=1/0": nil, "key=1/-1m": nil, "key=1/1m/0": nil,
		"key=1/1m/2/3": nil, "key=99999999999999999999/1m": nil, "key=1000000001/1m": nil, "key=1/1m/ 2": nil, "key=1/1m/": nil, "key= 1/1m": nil, "key=1.5/1m": nil, "key=1/1x": nil,
	}
}

func TestParseQuota(t *testing.T) {
	for text, want := range quotas() {
		got, err := config.ParseQuota(text)
		if (err == nil) != (want != nil) || want != nil && got != *want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
}

// FuzzQuota: what is taken is written again as what is read as the same.
func FuzzQuota(f *testing.F) {
	for text := range quotas() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := config.ParseQuota(text)
		if err != nil {
			return
		}
		if q.Count < 1 || q.Per <= 0 || q.Burst < 0 {
			t.Fatalf("%q: %+v", text, q)
		}
		if again, err := config.ParseQuota(config.QuotaText(q)); err != nil || again != q {
			t.Errorf("%q: %+v, again %q: %+v, %v", text, q, config.QuotaText(q), again, err)
		}
	})
}

func TestDurationText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Minute: "1m", time.Hour: "1h", 90 * time.Minute: "1h30m", 24 * time.Hour: "1d", 90 * 24 * time.Hour: "90d", time.Second: "1s",
		1500 * time.Millisecond: "1.5s", 25 * time.Hour: "25h", time.Hour + time.Second: "1h0m1s", 10 * time.Minute: "10m",
	} {
		got := config.DurationText(d)
		if again, err := config.ParseDuration(got); got != want || err != nil || again != d {
			t.Errorf("%v: %q, want %q; again %v, %v", d, got, want, again, err)
		}
	}
}
