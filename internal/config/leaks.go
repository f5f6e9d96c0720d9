package config

import (
	"time"

	"github.com/warder-dev/warder/secret"
)

// Leaks say who may report keys that were found where others can read them, and
// what becomes of such keys.
type Leaks struct {
	// Path begins the paths at which the gateway takes reports itself: PATH/github and PATH/report. Default /leaks.
	Path string `yaml:"path" default:"/leaks"`
	// GitHub takes reports of GitHub's secret scanning at PATH/github. Default false.
	GitHub bool `yaml:"github" default:"false"`
	// GitHubKeysURL is where the keys are that sign those. Default https://api.github.com/meta/public_keys/secret_scanning.
	GitHubKeysURL string `yaml:"github_keys_url" default:"https://api.github.com/meta/public_keys/secret_scanning"`
	// CAFile is the path of a PEM file with the authorities that may sign that server's certificate. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// Secret is shared with scanners of your own, which sign by it what they report at PATH/report: 32 bytes or more. Default: none, nothing is taken there.
	Secret secret.Text `yaml:"secret"`
	// Action is what becomes of a reported key that can be used: alert tells the log, disable disables it until somebody enables it, revoke ends it. Default alert.
	Action string `yaml:"action" default:"alert" enum:"alert|disable|revoke"`
	// Grace is for how long a key works on that is to be revoked, 0s to 90d: it expires then. Only with revoke. Default 0s, it is revoked at once.
	Grace time.Duration `yaml:"grace" default:"0s" min:"0s" max:"90d"`
}

// minLeakSecret is the length of the shortest secret, in bytes.
const minLeakSecret = 32

// Taken reports whether anybody may report anything.
func (k *Leaks) Taken() bool { return k.GitHub || !k.Secret.IsZero() }

func (l *loader) checkLeaks() {
	k := &l.config.Leaks
	if !l.failed("leaks.path") && !plainPath(k.Path) {
		l.reject("leaks.path", "is not a plain path", "write it like /leaks, without / at the end")
	}
	if k.GitHub {
		l.checkFetched("leaks.github_keys_url", k.GitHubKeysURL, false)
	}
	if k.CAFile != "" && !k.GitHub && !l.failed("leaks.ca_file") {
		l.reject("leaks.ca_file", "has no effect without github", "")
	}
	if n := len(k.Secret.Reveal()); n > 0 && n < minLeakSecret && !l.failed("leaks.secret") {
		l.reject("leaks.secret", "is shorter than 32 bytes", "openssl rand -hex 32 makes one")
	}
	if k.Grace != 0 && k.Action != "revoke" && !l.failed("leaks.grace") && !l.failed("leaks.action") {
		l.reject("leaks.grace", "has no effect without action: revoke", "")
	}
	if k.Action != "alert" && !k.Taken() && !l.failed("leaks.action") && !l.failed("leaks.secret") && !l.failed("leaks.github") {
		l.reject("leaks.action", "has no effect: nobody may report keys", "set leaks.github or leaks.secret")
	}
}
