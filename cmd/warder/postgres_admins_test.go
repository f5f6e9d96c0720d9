package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/internal/wire"
)

// TestWhatNodesShareOfPeopleAndUsage makes administrators on one machine, which all
// see, and counts on two gateways what one command tells.
func TestWhatNodesShareOfPeopleAndUsage(t *testing.T) {
	c := startCluster(t, testpostgres.Options{})
	_, said := c.app(t, exitServer, "admins", "list")
	if !strings.Contains(said, "warder migrate up") {
		t.Errorf("without tables admins list said %q, want what to run", said)
	}
	c.owner(t, 0, "migrate", "up", "--app-role", "warder_app")

	t.Run("administrators", func(t *testing.T) {
		c.app(t, 0, "admins", "setup", "--name", "ada", "--output", "secret")
		link, _ := c.app(t, 0, "admins", "add", "bob", "--role", "auditor", "--output", "secret")
		accept := c.command(t.Context(), "warder_app", appPassword, "admins", "accept")
		accept.Stdin = strings.NewReader(link + "seven quiet otters\n")
		ranAs(t, accept, 0)
		_, said := c.app(t, exitUsage, "admins", "add", "bob")
		if !strings.Contains(said, "the name is taken") {
			t.Errorf("a second bob: %q, want that the name is taken", said)
		}
		out, _ := c.app(t, 0, "admins", "list", "--output", "json")
		for _, want := range []string{`"name": "ada"`, `"state": "invited"`, `"name": "bob"`, `"state": "active"`} {
			if !strings.Contains(out, want) {
				t.Errorf("admins list = %s, want %s", out, want)
			}
		}
		entries, _ := c.app(t, 0, "audit", "list", "--output", "json")
		if !strings.Contains(entries, `"set-up"`) || strings.Contains(entries, "argon2") {
			t.Errorf("audit list = %s, want the accounts that were set up, and no hash", entries)
		}
	})

	t.Run("usage", func(t *testing.T) {
		out, _ := c.app(t, 0, "keys", "create", "--name", "ci", "--output", "secret")
		key := strings.TrimSpace(out)
		info, err := apikey.Parse(key)
		if err != nil {
			t.Fatal(err)
		}
		upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		for range 2 {
			gateway, process := c.serve(t, upstream.URL())
			for range 3 {
				if got := status(t, gateway, key); got != http.StatusOK {
					t.Fatalf("a good key: %d, want 200", got)
				}
			}
			if err := process.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := process.Wait(); err != nil { // what was counted is written by then
				t.Fatalf("the gateway ended with %v", err)
			}
		}
		out, _ = c.app(t, 0, "usage", "top", "--output", "json")
		var all []struct {
			Name     string
			Requests int
		}
		if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 || all[0].Name != "ci" || all[0].Requests != 6 {
			t.Errorf("usage top = %s, %v, want 6 requests of ci", out, err)
		}
		if out, _ := c.app(t, 0, "usage", "show", string(info.ID)); !strings.Contains(out, "from 127.0.0.1") {
			t.Errorf("usage show = %s, want from where", out)
		}
		out, _ = c.app(t, 0, "explain", "--upstream", upstream.URL(), "--url", "http://localhost/", "--key-id", string(info.ID))
		if !strings.Contains(out, "allowed") {
			t.Errorf("explain = %s, want that the key of the database is let in", out)
		}
	})
}
