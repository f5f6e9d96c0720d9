package gateway

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/leak"
)

// leaksBody is the largest report of leaked keys, in bytes: a thousand of them.
const leaksBody = 1 << 20

// addLeaks makes the paths at which leaked keys are reported.
func (g *Gateway) addLeaks(routes *warder.Routes) error {
	cfg := &g.cfg.Config.Leaks
	if !cfg.Taken() {
		return nil
	}
	limit, err := bodylimit.New(bodylimit.Config{Max: leaksBody})
	if err != nil {
		return err
	}
	add := func(path string, sender leak.Sender) error {
		endpoint, err := g.leakEndpoint(cfg, sender)
		if err != nil {
			return fmt.Errorf("leaks: %w", err)
		}
		return g.answer(routes, http.MethodPost+" "+cfg.Path+path, &warder.Policy{BodyLimit: limit, AddressLimit: g.limits.everybody}, endpoint)
	}
	var errs []error
	if cfg.GitHub {
		pool, err := poolOf(cfg.CAFile)
		if err == nil {
			g.gitHub, err = leak.NewGitHub(leak.GitHubConfig{KeysURL: cfg.GitHubKeysURL, RootCAs: pool})
		}
		if err == nil {
			err = add("/github", g.gitHub)
		}
		errs = append(errs, err)
	}
	if !cfg.Secret.IsZero() {
		shared, err := leak.NewShared("report", cfg.Secret)
		if err == nil {
			err = add("/report", shared)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (g *Gateway) leakEndpoint(cfg *config.Leaks, sender leak.Sender) (*leak.Endpoint, error) {
	changed := g.cfg.Changed
	if changed == nil {
		changed = g.cfg.Verifier.Invalidate
	}
	return leak.NewEndpoint(leak.EndpointConfig{
		Sender: sender, Verifier: g.cfg.Verifier, Store: g.cfg.KeyStore, Action: leak.Action(cfg.Action), Grace: cfg.Grace,
		Changed: changed, Found: g.cfg.Leaked, Log: g.cfg.Log,
	})
}
