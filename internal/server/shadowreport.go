package server

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/warder-dev/warder/internal/keyservice"
)

// maxDifferences is how many kinds of differences are told apart.
const maxDifferences = 256

// A difference is a kind of difference. All its words come from configurations.
type difference struct{ route, shadowRoute, live, shadow, what string }

// differences are those that were seen. It is safe for concurrent use.
type differences struct {
	mu sync.Mutex

	// since the start
	same, different, skipped, dropped uint64

	// since both configurations were loaded
	since  time.Time
	begun  [4]uint64 // what the counts above were then
	kinds  map[difference]*keyservice.ShadowDifference
	others uint64

	minute time.Time // in which lines of the log are counted
	lines  int
	silent uint64 // differences since the last line
}

// clear begins the report anew.
func (d *differences) clear(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since, d.begun, d.kinds, d.others = now, [4]uint64{d.same, d.different, d.skipped, d.dropped}, make(map[difference]*keyservice.ShadowDifference), 0
}

func (d *differences) agree() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.same++
}

func (d *differences) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropped++
}

func (d *differences) skip() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.skipped++
}

// add counts a difference of the request id. tell is whether the log may have a
// line about it, and silent how many had none since the last.
func (d *differences) add(kind difference, id string, now time.Time) (silent uint64, tell bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.different++
	d.note(kind, id, now)
	if minute := now.Truncate(time.Minute); !minute.Equal(d.minute) {
		d.minute, d.lines = minute, 0
	}
	if d.lines >= shadowLines {
		d.silent++
		return 0, false
	}
	d.lines++
	silent, d.silent = d.silent, 0
	return silent, true
}

func (d *differences) note(kind difference, id string, now time.Time) {
	v := d.kinds[kind]
	if v == nil {
		if len(d.kinds) >= maxDifferences {
			d.others++
			return
		}
		v = &keyservice.ShadowDifference{
			Route: kind.route, ShadowRoute: kind.shadowRoute, Live: kind.live, Shadow: kind.shadow, Differs: strings.Fields(kind.what), First: now.UTC(),
		}
		d.kinds[kind] = v
	}
	v.Count++
	v.Last, v.Example = now.UTC(), id
}

// view is the report, what is most frequent first.
func (d *differences) view() keyservice.ShadowReport {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := keyservice.ShadowReport{
		Since: d.since.UTC(), Same: d.same - d.begun[0], Different: d.different - d.begun[1], Skipped: d.skipped - d.begun[2], Dropped: d.dropped - d.begun[3],
		Differences: make([]keyservice.ShadowDifference, 0, len(d.kinds)), Others: d.others,
	}
	for _, one := range d.kinds {
		v.Differences = append(v.Differences, *one)
	}
	slices.SortFunc(v.Differences, func(a, b keyservice.ShadowDifference) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Live, b.Live), cmp.Compare(a.Shadow, b.Shadow), cmp.Compare(a.ShadowRoute, b.ShadowRoute))
	})
	return v
}

// Shadow implements keyservice.Running.
func (a *running) Shadow() (keyservice.ShadowReport, bool) {
	if a.shadow == nil {
		return keyservice.ShadowReport{}, false
	}
	return a.shadow.differences.view(), true
}

// shadowCounts counts what was compared, since the start.
type shadowCounts struct{ shadow *shadow }

func (shadowCounts) requests() *prometheus.Desc {
	return prometheus.NewDesc("warder_shadow_config_requests_total",
		"Requests that the shadow configuration judged: same, different, skipped, which cannot be compared, or dropped, because too many came at once.", []string{"result"}, nil)
}

// Describe is of [prometheus.Collector].
func (c shadowCounts) Describe(to chan<- *prometheus.Desc) { to <- c.requests() }

// Collect is of [prometheus.Collector].
func (c shadowCounts) Collect(to chan<- prometheus.Metric) {
	d := &c.shadow.differences
	d.mu.Lock()
	counts := map[string]uint64{"same": d.same, "different": d.different, "skipped": d.skipped, "dropped": d.dropped}
	d.mu.Unlock()
	for result, n := range counts {
		to <- prometheus.MustNewConstMetric(c.requests(), prometheus.CounterValue, float64(n), result)
	}
}

// watchShadow tells of the shadow configuration, where there is one.
func (p *program) watchShadow() error {
	if p.shadow == nil {
		return nil
	}
	return p.metrics.register(shadowCounts{p.shadow})
}
