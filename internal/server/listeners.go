package server

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/gateway"
)

// addListeners makes the servers of listeners beside the public one: each with an edge
// of its own, over what all share.
func (p *program) addListeners() error {
	var errs []error
	for _, more := range p.options.Listeners.More {
		errs = append(errs, p.addListener(more))
	}
	return errors.Join(errs...)
}

func (p *program) addListener(more Named) error {
	at := p.options.Config.At(more.Name)
	l, err := p.balanced(more.Listener, at)
	if err != nil {
		return err
	}
	var secure *tls.Config
	if at.TLS.Enabled() {
		secure = p.publicTLS()
	}
	field := config.ListenerField(more.Name)
	p.options.Log.Info("serving at one more listener", slog.String("listener", field), slog.String("listen", more.Addr().String()), slog.Bool("tls", secure != nil))
	return p.add(field, l, p.metrics.InFlight(p.current(func(g *gateway.Gateway, w http.ResponseWriter, r *http.Request) {
		g.At(more.Name).ServeHTTP(w, r)
	})), secure)
}
