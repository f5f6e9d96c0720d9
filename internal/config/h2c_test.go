package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

// HTTP/2 without TLS is a listener's own choice, is told as one that costs, needs a
// restart, and is refused where there is TLS.
func TestHTTP2WithoutTLS(t *testing.T) {
	const more = "listeners: {internal: {listen: '127.0.0.1:9000', %}}\n"
	with := func(own, other string) *config.Config {
		t.Helper()
		c, err := load(t, own+strings.Replace(more, "%", other, 1)+shorthand, config.Source{})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	none, first, second := with("", "tls: 'off'"), with("insecure_h2c: true\n", "tls: 'off'"), with("", "insecure_h2c: true")
	if none.InsecureH2C || none.At("internal").InsecureH2C || !first.InsecureH2C || first.At("internal").InsecureH2C || second.InsecureH2C || !second.At("internal").InsecureH2C {
		t.Error("a listener has what another was told")
	}
	for want, c := range map[string]*config.Config{"insecure_h2c": first, "listeners.internal.insecure_h2c": with("", "tls: 'off', insecure_h2c: true")} {
		if live, restart := none.Changes(c); len(live) > 0 || !slices.Equal(restart, []string{want}) {
			t.Errorf("%s: %q are taken over and %q need a restart", want, live, restart)
		}
		if found := c.Findings(); len(found) != 1 || found[0].Field != want || !strings.Contains(found[0].Costs, "read and changed on the way") {
			t.Errorf("%s: findings %v", want, found)
		}
	}
	const tls = "tls: {certificates: [{cert_file: a, key_file: b}]}\n"
	_, err := load(t, tls+"insecure_h2c: true\n"+strings.Replace(more, "%", "insecure_h2c: true", 1)+shorthand, config.Source{})
	if err == nil || strings.Count(err.Error(), "insecure_h2c: has no effect with TLS") != 2 || !strings.Contains(err.Error(), "warder.yaml:3:64: listeners.internal.") {
		t.Errorf("with TLS: %v", err)
	}
	if _, err := load(t, tls+strings.Replace(more, "%", "tls: 'off', insecure_h2c: true", 1)+shorthand, config.Source{}); err != nil {
		t.Errorf("beside TLS: %v", err)
	}
}
