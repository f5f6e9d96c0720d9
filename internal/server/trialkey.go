package server

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/secret"
)

// Carry puts a key into the question, where the named scheme looks for it. Without a
// name it is the first scheme of keys that the question's route takes, and the one
// of the configuration's own header where it takes none.
func (t *Trial) Carry(q *Question, key secret.Text, scheme string) error {
	return carry(t.program.gateway.Load(), q, key, scheme)
}

// carry is [Trial.Carry] for the configuration of g.
func carry(g *gateway.Gateway, q *Question, key secret.Text, scheme string) error {
	cfg := g.Settings()
	if scheme == "" {
		r, err := q.request()
		if err != nil {
			return err
		}
		scheme = keySchemeOf(cfg, routeCalled(cfg, answerOf(g, q.Listener, r).Route))
	}
	s, ok := cfg.Schemes[scheme]
	if !ok || s.Key == nil {
		return fmt.Errorf("there is no scheme of keys called %q", scheme)
	}
	text, name := key.Reveal(), cfg.KeyName(s.Key)
	switch s.Key.In {
	case config.InQuery:
		separator := "?"
		if strings.Contains(q.URL, "?") {
			separator = "&"
		}
		q.URL += separator + url.QueryEscape(name) + "=" + text
	case config.InCookie:
		q.Header = append(q.Header, "Cookie: "+name+"="+text)
	case config.InBearer:
		q.Header = append(q.Header, "Authorization: Bearer "+text)
	case config.InBasic:
		pair := text + ":"
		if s.Key.BasicField == "password" {
			pair = "key:" + text
		}
		q.Header = append(q.Header, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	case config.InHeader:
		q.Header = append(q.Header, name+": "+text)
	default:
		return errors.New("nobody knows where the scheme " + scheme + " looks")
	}
	return nil
}

// keySchemeOf returns the first scheme of keys that a route takes.
func keySchemeOf(cfg *config.Config, route *config.Route) string {
	if route != nil {
		for _, alternative := range cfg.RouteSecurity(route) {
			for _, name := range slices.Sorted(maps.Keys(alternative)) {
				if s, ok := cfg.Schemes[name]; ok && s.Key != nil {
					return name
				}
			}
		}
	}
	return config.DefaultScheme
}
