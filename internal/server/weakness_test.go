package server_test

import (
	"strings"
	"testing"
)

// TestWeaknessesAreTold: what `warder config validate` warns of is in the log before the
// first request is judged, a line each; and at a reload what is new of it.
func TestWeaknessesAreTold(t *testing.T) {
	const (
		tried   = "rate_limits: {few: {count: 1, per: 1m, by: [key], shadow: true}}\ndefault_rate_limits: [few]\n"
		routes  = "routes: [{match: /, upstream: api}]\n"
		explain = "cors: {default: {origins: [\"https://a.example\"], explain: true}}\n"
		level   = `"level":"WARN","msg":"the configuration has a weakness",`
		placed  = `/warder.yaml:1","weakness":"rate_limits.few.shadow: `
	)
	api := told(t, "api")
	p := start(t, api, settings{yaml: tried + routes})
	p.write(t, api, "\n\n"+tried+explain+routes)
	p.reload(t)
	p.write(t, api, explain+routes)
	p.reload(t)
	p.write(t, api, tried+routes)
	p.reload(t)
	log := p.log(t)
	begin, later, _ := strings.Cut(log, `"msg":"serving"`)
	for _, line := range []struct {
		when, in, weakness string
		times              int
	}{
		{"at the start", begin, "rate_limits.few.shadow: it only watches: nothing is refused by it", 1},
		{"at the start", begin, placed, 1},
		{"at a reload", later, "cors.default.explain: header fields of requests come into the log", 1},
		{"at a reload that brings back what one took away", later, "rate_limits.few.shadow: it only watches", 1},
		{"at three reloads", later, level, 2},
		{"at all, with what to do", log, `"mend":"take it away when`, 3},
	} {
		if got := strings.Count(line.in, line.weakness); got != line.times {
			t.Errorf("%s: %q is in the log %d times, want %d\n%s", line.when, line.weakness, got, line.times, log)
		}
	}
}
