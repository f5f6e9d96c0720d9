package config_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warder-dev/warder/internal/config"
)

// load loads text as ./warder.yaml in a folder of its own.
func load(t *testing.T, text string, src config.Source) (*config.Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("warder.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	src.File = "warder.yaml"
	return config.Load(src)
}

// wantErrors fails unless err is *config.Errors with these lines.
func wantErrors(t *testing.T, err error, want string) {
	t.Helper()
	var list *config.Errors
	if !errors.As(err, &list) {
		t.Fatalf("Load: error is %v, want *config.Errors with\n%s", err, want)
	}
	if diff := cmp.Diff(strings.TrimSpace(want), list.Error()); diff != "" {
		t.Errorf("errors differ (-want +got):\n%s", diff)
	}
}

const shorthand = "upstream: http://127.0.0.1:3000\n"

func TestLoadErrors(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"unknown field", shorthand + "listn: a\n", `warder.yaml:2:1: listn: no field has this name; did you mean "listen"?`},
		{"unknown field far from all", shorthand + "timeouts:\n  frobnicate: 1s\n", `warder.yaml:3:3: timeouts.frobnicate: no field has this name`},
		{"duplicate", shorthand + "log:\n  level: info\n  level: warn\n", `warder.yaml:4:3: log.level: is given twice, first in line 3`},
		{"number for text", shorthand + "db: 3\n", `warder.yaml:2:5: db: is a number, want text; put it in quotes`},
		{"bool for text", shorthand + "db: true\n", `warder.yaml:2:5: db: is true or false, want text; put it in quotes`},
		{"text for a number", shorthand + "keys: {cache_size: \"5\"}\n", `warder.yaml:2:20: keys.cache_size: is text, want a whole number`},
		{"text for true", shorthand + "insecure_admin_listen: yes\n", `warder.yaml:2:24: insecure_admin_listen: is text, want true or false`},
		{"float", shorthand + "keys: {cache_size: 1.5}\n", `warder.yaml:2:20: keys.cache_size: is a number, want a whole number`},
		{"list for fields", shorthand + "keys: [a]\n", `warder.yaml:2:7: keys: is a list, want fields with values`},
		{"text for a list", shorthand + "routes: a\n", "warder.yaml:2:9: routes: is text, want a list; begin each entry with \"- \""},
		{"fields for text", shorthand + "db: {a: b}\n", `warder.yaml:2:6: db: is a set of fields, want text`},
		{"null", shorthand + "db:\n", `warder.yaml:2:5: db: has no value; give one, or take the line away`},
		{"duration without unit", shorthand + "timeouts: {idle: 5}\n", `warder.yaml:2:18: timeouts.idle: has no unit; write 30s or 5m`},
		{"duration out of range", shorthand + "timeouts: {idle: 90d}\n", `warder.yaml:2:18: timeouts.idle: is out of range; want 1s to 1h`},
		{"not a duration", shorthand + "timeouts: {idle: soon}\n", `warder.yaml:2:18: timeouts.idle: is not a duration such as 30s, 1h30m or 90d`},
		{"size out of range", shorthand + "limits: {header_bytes: 1}\n", `warder.yaml:2:24: limits.header_bytes: is out of range; want 4KiB to 1MiB`},
		{"unlimited where a bound must be", shorthand + "limits: {header_bytes: unlimited}\n", `warder.yaml:2:24: limits.header_bytes: is out of range; want 4KiB to 1MiB`},
		{"body of 0 is not unlimited", shorthand + "limits: {body_bytes: 0}\n", `warder.yaml:2:22: limits.body_bytes: is out of range; want 1 to unlimited`},
		{"not a size", shorthand + "limits: {body_bytes: 10 apples}\n", `warder.yaml:2:22: limits.body_bytes: is not a size such as 64KiB, 10MB or a number of bytes`},
		{"enum", shorthand + "log: {format: jsn}\n", `warder.yaml:2:15: log.format: is none of auto, json, text; did you mean "json"?`},
		{"several documents", shorthand + "---\nlisten: :80\n", `warder.yaml:3:1: has more than one YAML document; take away all but one`},
		{"alias", shorthand + "db: *a\n", `warder.yaml:2:5: db: anchors, aliases and tags of YAML are not accepted; write the value out`},
		{"anchor", shorthand + "db: &a x\n", `warder.yaml:2:5: db: anchors, aliases and tags of YAML are not accepted; write the value out`},
		{"tag", shorthand + "db: !!str x\n", `warder.yaml:2:5: db: anchors, aliases and tags of YAML are not accepted; write the value out`},
		{"merge key", shorthand + "<<: {db: x}\n", `warder.yaml:2:1: this key is not a plain name; write the name of a field; anchors, aliases, merge keys and tags are not accepted`},
		{"syntax", "listen: a: b\n", `warder.yaml:1:9: is not YAML: ": " within a value; put the value in quotes`},
		{"a name that may be a secret", shorthand + "Hunter2: a\nlog:\n  wrd_live_123: b\n  \"a b\": c\n", `
warder.yaml:2:1: an unknown field
warder.yaml:4:3: log: an unknown field
warder.yaml:5:3: log: an unknown field`},
		{"a long name", shorthand + strings.Repeat("a", 41) + ": a\n", `warder.yaml:2:1: an unknown field`},
		{"a strange name twice", shorthand + "Hunter2: a\nHunter2: a\n", "warder.yaml:2:1: an unknown field\nwarder.yaml:3:1: is given twice, first in line 2"},
		{"a secret between the braces", shorthand + "db: ${hunter2}\n", `warder.yaml:2:5: db: the environment has no such variable`},
		{"an open list", "routes: [a, hunter2", `warder.yaml:1:9: is not YAML: a list is not closed; look for a missing "]" or ","`},
		{"an open quote", "db: \"hunter2", `warder.yaml:1:5: is not YAML: a quote is not closed`},
		{"an escape", "db: \"\\hunter2\"", `warder.yaml:1:7: is not YAML`},
		{"a tab", "log:\n\tlevel: info\n", `warder.yaml:2:1: is not YAML: a tab in the indentation; use spaces`},
		{"scalar document", "a\n", "warder.yaml:1:1: is text, want fields with values; write it like upstream: http://127.0.0.1:8000"},
		{"list document", "- upstream: http://h\n", "warder.yaml:1:1: is a list, want fields with values; write it like upstream: http://127.0.0.1:8000"},
		{"not UTF-8", "listen: \xff\n", `warder.yaml: is not UTF-8 text`},
		{"a mark of UTF-8 is none of a name", "\ufefflistn: a\n" + shorthand, `warder.yaml:1:1: listn: no field has this name; did you mean "listen"?`},
		{"too long", "#" + strings.Repeat("x", 1<<20), `warder.yaml: cannot read the file: longer than 1MiB`},
		{"missing variable", shorthand + "db: ${NOT_THERE}\n", `warder.yaml:2:5: db: the environment has no variable NOT_THERE`},
		{"broken variable", shorthand + "db: ${NOT THERE}\n", `warder.yaml:2:5: db: "${" does not begin the name of a variable; write ${NAME}, or $${ for the characters themselves`},
		{"open variable", shorthand + "db: ${A\n", `warder.yaml:2:5: db: "${" does not begin the name of a variable; write ${NAME}, or $${ for the characters themselves`},
		{"secret in the file", shorthand + "peppers: {value: hunter2}\n", `warder.yaml:2:18: peppers.value: a secret does not belong in this file; write ${VARIABLE} or file:/path`},
		{"secret's file missing", shorthand + "peppers: {value: 'file:/nowhere/at/all'}\n", `warder.yaml:2:18: peppers.value: cannot read the secret's file: no such file or directory`},
		{"all at once, by line", "listn: a\nroutes:\n  - match: /\n    upstream: ordres\nupstreams: {orders: {url: 'ftp://h'}}\nkeys: {prefix: WRD}\n", `
warder.yaml:1:1: listn: no field has this name; did you mean "listen"?
warder.yaml:4:15: routes[0].upstream: no upstream is called "ordres"; did you mean "orders"?
warder.yaml:5:27: upstreams.orders.url: the scheme is neither http nor https
warder.yaml:6:16: keys.prefix: "WRD" is not a prefix; use 1 to 16 lower case letters and digits, a letter first`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.file, config.Source{})
			wantErrors(t, err, tt.want)
		})
	}
}

func TestErrorsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(shorthand)
	for i := range 130 {
		b.WriteString("x" + strings.Repeat("x", i%36) + string(rune('a'+i/36)) + ": 1\n")
	}
	_, err := load(t, b.String(), config.Source{})
	var list *config.Errors
	if !errors.As(err, &list) || len(list.List) != 100 || list.More != 30 {
		t.Fatalf("got %v, want 100 errors and 30 more", err)
	}
	var one *config.Error
	if !errors.As(err, &one) || one.Line != 2 || one.Column != 1 || one.Field != "xa" {
		t.Errorf("first error is %+v, want xa in line 2", one)
	}
}

func TestPrecedence(t *testing.T) {
	c, err := load(t, shorthand+"listen: :1\ndb: ./${NAME}.db\nlog: {level: warn, format: json}\n", config.Source{
		Environ: []string{"NAME=a: b # ${NAME}", "WARDER_LOG_LEVEL=error", "WARDER_LOG_FORMAT=text", "WARDER_SERVICE_HOST=10.0.0.1", "WARDER_TIMEOUTS_IDLE=1m"},
		Flags:   map[string]string{"log-level": "debug", "--timeouts-body-idle": "2m"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, got, want string }{
		{"default", c.AdminListen, "127.0.0.1:8081"},
		{"file over default", c.Listen, ":1"},
		{"environment over file", c.Log.Format, "text"},
		{"flag over environment", c.Log.Level, "debug"},
		{"a variable's value is not read as YAML nor expanded", c.DB, "./a: b # ${NAME}.db"},
		{"peppers beside the keys", c.Peppers.File, c.DB + ".peppers"},
		{"duration", c.Timeouts.Idle.String(), "1m0s"},
		{"flag with dashes", c.Timeouts.BodyIdle.String(), "2m0s"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestOverriddenErrorsDoNotMatter(t *testing.T) {
	c, err := load(t, shorthand+"log: {level: loud}\n", config.Source{Environ: []string{"WARDER_LOG_LEVEL=info"}})
	if err != nil || c.Log.Level != "info" {
		t.Errorf("Load: %v, want level info from the environment", err)
	}
}

func TestEnvironmentAndFlagErrors(t *testing.T) {
	_, err := config.Load(config.Source{
		Environ: []string{"WARDER_LISTEN=nonsense", "WARDER_LOG_LEVL=info", "WARDER_UPSTREAM=http://user:hunter2@h/", "WARDER_PORT=tcp://10.0.0.1:80"},
		Flags:   map[string]string{"admin-listen": "0.0.0.0:1", "keys-cache-size": "many", "lisen": "x", "peppers-value": "hunter2"},
	})
	wantErrors(t, err, `
WARDER_LOG_LEVL: no setting has this variable; did you mean "WARDER_LOG_LEVEL"?
--keys-cache-size: is not a whole number in range
--lisen: no setting has this flag; did you mean "listen"?
--peppers-value: a flag is no place for a secret: other users see it in the list of processes; use WARDER_PEPPERS_VALUE or file:/path
WARDER_LISTEN: this value is not an address; want host:port, such as "127.0.0.1:8080" or "[::1]:8080"
--admin-listen: is not a loopback address; set insecure_admin_listen if the network is trusted
WARDER_UPSTREAM: has user information (name or password)`)
}

func TestVariablesOfOtherFlagsAreNotRefused(t *testing.T) {
	var environ []string
	for _, flag := range []string{"NAME", "OWNER", "SCOPES", "ENV", "EXPIRES_IN", "OUTPUT", "REASON", "WAIT", "CHECK", "CONFIG", "CREDITS", "REFILL", "EVERY", "AMOUNT", "CAP", "FROM"} {
		environ = append(environ, "WARDER_"+flag+"=x")
	}
	if _, err := load(t, shorthand, config.Source{Environ: environ}); err != nil {
		t.Errorf("Load: %v, want no error", err)
	}
}

func TestShorthandIsOneUpstreamAndOneRoute(t *testing.T) {
	c, err := load(t, shorthand+"limits: {body_bytes: 5KB}\n", config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	wantUpstreams := map[string]config.Upstream{"default": {URL: "http://127.0.0.1:3000", PreserveHost: true}}
	wantRoutes := []config.Route{{Match: "/", Upstream: "default", BodyBytes: 5000}}
	if diff := cmp.Diff(wantUpstreams, c.Upstreams); diff != "" {
		t.Errorf("upstreams (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantRoutes, c.Routes); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

func TestSecrets(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("pepper", []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	abs, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, yaml, environ, want string }{
		{"variable", shorthand + "peppers: {value: '${P}'}\n", "P=from a variable", "from a variable"},
		{"file", shorthand + "peppers: {value: 'file:" + abs + "/pepper'}\n", "", "from a file"},
		{"file by variable", shorthand + "peppers: {value: '${P}'}\n", "P=file:" + abs + "/pepper", "from a file"},
		{"environment", shorthand, "WARDER_PEPPERS_VALUE=straight", "straight"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.yaml, config.Source{Environ: []string{tt.environ}})
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Peppers.Value.Reveal(); got != tt.want || c.Peppers.File != "" {
				t.Errorf("value is %q, file %q; want %q and no file", got, c.Peppers.File, tt.want)
			}
		})
	}
}
