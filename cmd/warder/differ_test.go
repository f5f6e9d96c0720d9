package main

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/internal/wire"
)

// ready is what the node's probe says.
func (s *served) ready(t *testing.T) (status int, text string) {
	t.Helper()
	status, body, err := fetch("http://"+s.admin+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	return status, string(body)
}

// TestNodesThatDiffer starts nodes of one database with other rules and with other
// peppers: each tells it and stays ready, and what one cannot verify is 503 there.
func TestNodesThatDiffer(t *testing.T) {
	attack.Case(t, "FLEET-11", attack.Gateway, func(t *testing.T) {
		c := startCluster(t, testpostgres.Options{})
		c.owner(t, 0, "migrate", "up", "--app-role", "warder_app")
		upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		rules := filepath.Join(c.folder, "rules.yaml")
		writeFile(t, rules, "limits: {body_bytes: 1KiB}\nlog: {file: rules.log}\n", 0o600)
		pepper := func(word string) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(word, 6))) }
		start := func(peppers string, args ...string) *served {
			args = append([]string{"serve", "--upstream", upstream.URL(), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)
			s := &served{folder: c.folder, process: c.command(t.Context(), "warder_app", appPassword, args...)}
			s.process.Env = append(s.process.Env, "WARDER_PEPPERS_VALUE="+peppers)
			s.begin(t)
			return s
		}
		tells := func(s *served, series string, want bool) {
			t.Helper()
			eventually(t, series, func() bool {
				status, text := s.ready(t)
				return status == http.StatusOK && strings.Contains(text, "of the other nodes differ") == want && strings.Contains(s.metrics(t), "\n"+series+"\n")
			})
		}
		one, two := start(pepper("pepper")), start(pepper("pepper"), "--config", "rules.yaml")
		tells(one, "warder_nodes_other_configuration 1", true)
		tells(two, "warder_nodes_other_configuration 1", true)
		writeFile(t, rules, "log: {file: rules.log}\n", 0o600)
		if err := two.process.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		tells(one, "warder_nodes_other_configuration 0", false)
		tells(two, "warder_nodes_other_configuration 0", false)
		log, err := os.ReadFile(filepath.Join(c.folder, "rules.log"))
		if err != nil {
			t.Fatal(err)
		}
		if told := string(log); strings.Count(told, "another node has another configuration") != 1 || strings.Count(told, "the same configuration and peppers again") != 1 {
			t.Errorf("the log has %s, want each change of the picture once", told)
		}

		newer := start(pepper("newer!") + "," + pepper("pepper")) // a rotation begun at the wrong end
		tells(one, "warder_nodes_other_peppers 1", true)
		tells(newer, "warder_nodes_other_peppers 2", true)
		made, err := newer.api(t).CreateKey(t.Context(), client.CreateKeyParams{}, client.KeySpec{Name: "under the newer"})
		if err != nil {
			t.Fatal(err)
		}
		holder, key := newKeyHolder(t), made.Value.Text.Reveal()
		if got := holder.status(t, newer, key); got != http.StatusOK {
			t.Errorf("the node that made a key answers it %d", got)
		}
		for range 3 { // also by what it remembers
			for _, node := range []*served{one, two} {
				if got := holder.status(t, node, key); got != http.StatusServiceUnavailable {
					t.Errorf("a node that lacks the pepper answers %d, want 503", got)
				}
			}
		}
	})
}
