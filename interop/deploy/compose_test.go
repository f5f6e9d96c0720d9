package deploy_test

import (
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
)

// A composition is what of Compose's file is used, and no more.
type composition struct {
	Name     string             `json:"name"`
	Services map[string]service `json:"services"`
	Networks map[string]struct {
		Internal bool `json:"internal"`
	} `json:"networks"`
	Volumes map[string]struct{} `json:"volumes"`
	Secrets map[string]struct {
		File string `json:"file"`
	} `json:"secrets"`
}

type service struct {
	Image       string            `json:"image"`
	Build       string            `json:"build"`
	User        string            `json:"user"`
	Command     []string          `json:"command"`
	WorkingDir  string            `json:"working_dir"`
	Environment map[string]string `json:"environment"`
	DependsOn   map[string]struct {
		Condition string `json:"condition"`
	} `json:"depends_on"`
	Ports       []string `json:"ports"`
	Networks    []string `json:"networks"`
	Secrets     []string `json:"secrets"`
	Volumes     []string `json:"volumes"`
	Healthcheck struct {
		Test        []string `json:"test"`
		Interval    string   `json:"interval"`
		Timeout     string   `json:"timeout"`
		Retries     int      `json:"retries"`
		StartPeriod string   `json:"start_period"`
		Disable     bool     `json:"disable"`
	} `json:"healthcheck"`
	StopGracePeriod string   `json:"stop_grace_period"`
	Restart         string   `json:"restart"`
	ReadOnly        bool     `json:"read_only"`
	CapDrop         []string `json:"cap_drop"`
	SecurityOpt     []string `json:"security_opt"`
}

const compose = "../../deploy/compose"

// TestTheComposition: whatever a service names is there, and is given to it; nothing but
// the gateway is reached from outside.
func TestTheComposition(t *testing.T) {
	var c composition
	if err := yaml.UnmarshalStrict([]byte(read(t, filepath.Join(compose, "compose.yaml"))), &c); err != nil {
		t.Fatal(err)
	}
	for name, s := range c.Services {
		for other, on := range s.DependsOn {
			if on.Condition == "service_healthy" && len(c.Services[other].Healthcheck.Test) == 0 || on.Condition == "service_completed_successfully" && c.Services[other].Restart != "" {
				t.Errorf("%s waits for %s, which never is %s", name, other, on.Condition)
			}
		}
		for _, secret := range s.Secrets {
			if c.Secrets[secret].File != "./secrets/"+secret {
				t.Errorf("%s has the secret %s, which is %+v", name, secret, c.Secrets[secret])
			}
		}
		for _, volume := range s.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if _, err := os.Stat(filepath.Join(compose, from)); err != nil && !slices.Contains(keys(c.Volumes), from) {
				t.Errorf("%s mounts %s, which is not there", name, volume)
			}
		}
		for _, network := range s.Networks {
			if inner := c.Networks[network].Internal; inner == (network == "front") || network == "front" && name != "warder" {
				t.Errorf("%s is in the network %s, internal %v", name, network, inner)
			}
		}
		everything := strings.Join(slices.Concat(s.Command, s.Healthcheck.Test, values(s.Environment)), " ")
		for _, m := range regexp.MustCompile(`/run/secrets/([a-z-]+)`).FindAllStringSubmatch(everything, -1) {
			if !slices.Contains(s.Secrets, m[1]) {
				t.Errorf("%s reads the secret %s, which it has not", name, m[1])
			}
		}
		if name != "warder" && len(s.Ports) > 0 {
			t.Errorf("%s is reached at %v without a key", name, s.Ports)
		}
	}
	checkOwn(t, c.Services["warder"])
}

// checkOwn holds the gateway's service against its configuration.
func checkOwn(t *testing.T, s service) {
	t.Helper()
	text := read(t, filepath.Join(compose, "warder.yaml"))
	cfg := checked(t, text, nil)
	var named []string
	for _, m := range regexp.MustCompile(`file:/run/secrets/(\S+)`).FindAllStringSubmatch(text, -1) {
		named = append(named, m[1])
	}
	slices.Sort(named)
	if given := slices.Sorted(slices.Values(s.Secrets)); !slices.Equal(given, named) {
		t.Errorf("warder has the secrets %q, its configuration names %q", given, named)
	}
	grace, err := time.ParseDuration(s.StopGracePeriod)
	if err != nil || grace <= cfg.Timeouts.ShutdownDelay+cfg.Timeouts.Drain {
		t.Errorf("it gets %s to stop (%v), and drains for %s", s.StopGracePeriod, err, cfg.Timeouts.Drain)
	}
	if cfg.Listen != ":8080" || !slices.Equal(s.Ports, []string{"127.0.0.1:8080:8080"}) || cfg.HealthListen != ":8082" || !slices.Equal(s.Healthcheck.Test, []string{"CMD", "/usr/local/bin/warder", "ping"}) {
		t.Errorf("it listens on %s and %s; reached at %v, asked by %v", cfg.Listen, cfg.HealthListen, s.Ports, s.Healthcheck.Test)
	}
	if seen := path.Join("/var/lib/warder", cfg.Beside(".seen")); !slices.Contains(s.Volumes, "data:"+path.Dir(seen)) {
		t.Errorf("%s goes with the container: %v", seen, s.Volumes)
	}
}

// TestTheSecrets are what each service can use, are made once, and their folder is its
// owner's alone.
func TestTheSecrets(t *testing.T) {
	folder := t.TempDir()
	script := filepath.Join(folder, "secrets.sh")
	if err := os.WriteFile(script, []byte(read(t, filepath.Join(compose, "secrets.sh"))), 0o600); err != nil {
		t.Fatal(err)
	}
	made := func() map[string]string {
		if out, err := exec.CommandContext(t.Context(), "sh", script).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		all := map[string]string{}
		entries, err := os.ReadDir(filepath.Join(folder, "secrets"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || info.Mode().Perm() != 0o444 {
				t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
			}
			all[e.Name()] = read(t, filepath.Join(folder, "secrets", e.Name()))
		}
		return all
	}
	first := made()
	var c composition
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(compose, "compose.yaml"))), &c); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(keys(first), keys(c.Secrets)) {
		t.Errorf("it makes %q, the services have %q", keys(first), keys(c.Secrets))
	}
	if _, err := apikey.ParsePeppers(first["peppers"]); err != nil {
		t.Error(err)
	}
	if _, err := audit.ParseSigner([]byte(first["audit-key"])); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(folder, "secrets")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	for name, text := range made() {
		if text != first[name] {
			t.Errorf("%s was made anew", name)
		}
	}
}

// TestTheRoles are those of the guide's page on PostgreSQL, which a test runs.
func TestTheRoles(t *testing.T) {
	_, page, _ := strings.Cut(read(t, "../../docs/guide/postgresql.md"), "```sql\n")
	want, _, _ := strings.Cut(page, "```")
	_, script, _ := strings.Cut(read(t, filepath.Join(compose, "roles.sh")), "<<'SQL'\n")
	got, _, _ := strings.Cut(script, "SQL\n")
	want = strings.NewReplacer("'change-me-1'", ":'owner'", "'change-me-2'", ":'app'").Replace(want)
	if got != want || !strings.Contains(got, "CREATE ROLE") {
		t.Errorf("the script has\n%s\nthe guide\n%s", got, want)
	}
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func values(m map[string]string) []string { return slices.Sorted(maps.Values(m)) }
