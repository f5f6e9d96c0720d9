package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/internal/wire"
)

// Passwords of the guide's roles.
const ownerPassword, appPassword = "change-me-1", "change-me-2"

// A cluster is a PostgreSQL server with the guide's roles, and a folder that each
// run of the program finds itself in.
type cluster struct {
	server *testpostgres.Server
	folder string
}

// startCluster makes the roles and the database by the statements of the guide.
func startCluster(t *testing.T, o testpostgres.Options) *cluster {
	t.Helper()
	c := &cluster{server: testpostgres.Start(t, o), folder: t.TempDir()}
	page, err := os.ReadFile("../../docs/guide/postgresql.md")
	if err != nil {
		t.Fatal(err)
	}
	statements := regexp.MustCompile("(?ms)^```sql\n(.*?)^```$").FindSubmatch(page)
	if statements == nil {
		t.Fatal("the guide has no statements")
	}
	psql := exec.CommandContext(t.Context(), "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", c.server.URL(testpostgres.Superuser, "postgres"))
	psql.Stdin = strings.NewReader(string(statements[1]))
	if out, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return c
}

// command prepares a run of the program as a role.
func (c *cluster) command(ctx context.Context, role, password string, args ...string) *exec.Cmd {
	cmd := command(ctx, c.folder, args...)
	cmd.Env = append(cmd.Env, "WARDER_DB="+c.server.TCP(role, "warder"), "WARDER_POSTGRES_PASSWORD="+password, "WARDER_PEPPERS_VALUE="+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("pepper", 6))))
	return cmd
}

// app runs the program as the gateways' role, and returns what it said.
func (c *cluster) app(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	return ranAs(t, c.command(t.Context(), "warder_app", appPassword, args...), want)
}

// owner runs the program as the role that owns the tables.
func (c *cluster) owner(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	return ranAs(t, c.command(t.Context(), "warder_owner", ownerPassword, args...), want)
}

func ranAs(t *testing.T, cmd *exec.Cmd, want int) (stdout, stderr string) {
	t.Helper()
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	_ = cmd.Run() // its exit code follows
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Errorf("%v: exit code %d, want %d: %s", cmd.Args[1:], code, want, said.String())
	}
	for _, password := range []string{ownerPassword, appPassword} {
		if strings.Contains(out.String()+said.String(), password) {
			t.Errorf("%v: a password is printed: %s%s", cmd.Args[1:], out.String(), said.String())
		}
	}
	return out.String(), said.String()
}

// serve starts a gateway without an admin listener, and returns its address.
func (c *cluster) serve(t *testing.T, upstream string) (gateway string, process *exec.Cmd) {
	t.Helper()
	s := c.node(t, upstream, "--admin-listen", "off")
	return s.gateway, s.process
}

// node starts a gateway with more arguments, and waits for the addresses of its
// listeners.
func (c *cluster) node(t *testing.T, upstream string, args ...string) *served {
	t.Helper()
	return c.nodeIn(t, c.folder, upstream, args...)
}

// nodeIn is node in a folder of its own, as on another machine.
func (c *cluster) nodeIn(t *testing.T, folder, upstream string, args ...string) *served {
	t.Helper()
	args = append([]string{"serve", "--upstream", upstream, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)
	s := &served{folder: folder, process: c.command(t.Context(), "warder_app", appPassword, args...)}
	s.process.Dir = folder
	s.begin(t)
	return s
}

// status asks a gateway with a key.
func status(t *testing.T, gateway, key string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+gateway+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", key)
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

func TestTwoGatewaysOnOneDatabase(t *testing.T) {
	c := startCluster(t, testpostgres.Options{})
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	t.Run("nothing is served without tables", func(t *testing.T) {
		_, said := c.app(t, exitServer, "serve", "--upstream", upstream.URL(), "--listen", "127.0.0.1:0", "--admin-listen", "off")
		if !strings.Contains(said, "warder migrate up") {
			t.Errorf("it said %q, want what to run", said)
		}
	})
	t.Run("the gateways' role makes no tables", func(t *testing.T) {
		_, said := c.app(t, exitDenied, "migrate", "up")
		if !strings.Contains(said, "42501") {
			t.Errorf("it said %q, want that the server denies it", said)
		}
	})
	c.owner(t, 0, "migrate", "up", "--app-role", "warder_app")
	if out, _ := c.app(t, 0, "migrate", "status", "--output", "json"); !strings.Contains(out, `"missing": []`) {
		t.Errorf("migrate status = %s, want nothing missing", out)
	}
	first, _ := c.serve(t, upstream.URL())
	second, _ := c.serve(t, upstream.URL())
	out, _ := c.app(t, 0, "keys", "create", "--name", "first", "--output", "secret")
	key := strings.TrimSpace(out)
	for _, gateway := range []string{first, second} {
		for range 3 { // the later ones by what it remembers
			if got := status(t, gateway, key); got != http.StatusOK {
				t.Fatalf("a good key: %d, want 200", got)
			}
		}
	}
	info, err := apikey.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	_, said := c.app(t, 0, "keys", "revoke", string(info.ID), "--wait", "1m")
	if !strings.Contains(said, "Confirmed by the running nodes: 2/2") {
		t.Errorf("keys revoke said %q, want 2/2", said)
	}
	t.Log(said)
	for _, gateway := range []string{first, second} {
		if got := status(t, gateway, key); got != http.StatusUnauthorized {
			t.Errorf("a revoked key after the receipt: %d, want 401", got)
		}
	}
	if out, _ := c.app(t, 0, "keys", "list", "--output", "json"); !strings.Contains(out, `"state": "revoked"`) {
		t.Errorf("keys list = %s, want a revoked key", out)
	}
	c.app(t, exitNotFound, "keys", "show", "AAAAAAAAAAAA")
}

func TestPasswordOfTheDatabase(t *testing.T) {
	c := startCluster(t, testpostgres.Options{})
	c.owner(t, 0, "migrate", "up", "--app-role", "warder_app")
	address := func(password string) string {
		return fmt.Sprintf("postgres://warder_app:%s@127.0.0.1:%d/warder", password, c.server.Port)
	}
	run := func(t *testing.T, want int, db string, args ...string) string {
		t.Helper()
		cmd := command(t.Context(), c.folder, args...)
		cmd.Env = append(cmd.Env, "WARDER_PEPPERS_VALUE="+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("pepper", 6))))
		if db != "" {
			cmd.Env = append(cmd.Env, "WARDER_DB="+db)
		}
		out, said := ranAs(t, cmd, want)
		return out + said
	}
	run(t, 0, address(appPassword), "keys", "list")
	if said := run(t, exitDenied, address("wrong"), "keys", "list"); strings.Contains(said, "wrong@") || !strings.Contains(said, "28P01") {
		t.Errorf("a wrong password: %q, want the SQLSTATE and not the password", said)
	}
	if said := run(t, exitUsage, "", "keys", "list", "--db", address(appPassword)); !strings.Contains(said, "list of processes") {
		t.Errorf("a password in a flag: %q, want it refused", said)
	}
	writeFile(t, filepath.Join(c.folder, "literal.yaml"), "db: "+address(appPassword)+"\n", 0o600)
	run(t, exitUsage, "", "keys", "list", "--config", "literal.yaml")
	writeFile(t, filepath.Join(c.folder, "password"), appPassword+"\n", 0o600)
	writeFile(t, filepath.Join(c.folder, "file.yaml"), fmt.Sprintf("db: postgres://warder_app@127.0.0.1:%d/warder\npostgres: {password: 'file:password'}\n", c.server.Port), 0o600)
	run(t, 0, "", "keys", "list", "--config", "file.yaml")
	if out := run(t, 0, address(appPassword), "config", "print", "--upstream", "http://127.0.0.1:9"); !strings.Contains(out, "password: \"[secret]\"") {
		t.Errorf("config print = %s, want the password as a secret", out)
	}
}

// TestADatabaseThatIsGone kills the server: what nobody can know is 503, and what was
// acknowledged is there when it is back.
func TestADatabaseThatIsGone(t *testing.T) {
	attack.Case(t, "FLEET-07", attack.Gateway, func(t *testing.T) {
		c := startCluster(t, testpostgres.Options{Durable: true})
		c.owner(t, 0, "migrate", "up", "--app-role", "warder_app")
		upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		gateway, _ := c.serve(t, upstream.URL())
		out, _ := c.app(t, 0, "keys", "create", "--output", "secret")
		key := strings.TrimSpace(out)
		if got := status(t, gateway, key); got != http.StatusOK {
			t.Fatalf("a good key: %d, want 200", got)
		}
		c.server.Kill()
		if _, said := c.app(t, exitServer, "keys", "create"); !strings.Contains(said, "cannot be reached") {
			t.Errorf("without a server keys create said %q", said)
		}
		eventually(t, "503 when the bound is over", func() bool { return status(t, gateway, key) == http.StatusServiceUnavailable })
		if err := c.server.Restart(t); err != nil {
			t.Fatal(err)
		}
		eventually(t, "200 when the server is back", func() bool { return status(t, gateway, key) == http.StatusOK })
	})
}

// eventually waits until holds does.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("it never came to: %s", what)
		}
		<-time.After(50 * time.Millisecond)
	}
}
