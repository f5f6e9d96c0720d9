package server

import (
	"log/slog"
	"net"
	"net/http"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/dnscommand"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/tlsconfig/acme"
)

// acme makes what gets certificates by itself, when that is configured. It asks
// nobody before the listeners are served.
func (p *program) acme() error {
	c := p.options.Config.TLS.ACME
	if c == nil {
		return nil
	}
	hosts := func(names []string) []string {
		all := make([]string, len(names))
		for i, name := range names {
			all[i] = config.HostOf(name)
		}
		return all
	}
	var dns acme.DNS
	if len(c.DNSCommand) > 0 {
		dns = &dnscommand.Command{Argv: c.DNSCommand, Timeout: c.DNSTimeout, Environ: p.options.Environ, Log: p.options.Log}
	}
	var err error
	p.managed, err = acme.New(acme.Config{
		Names: hosts(c.Names), OnDemand: hosts(c.OnDemand), Directory: c.Directory, CAFile: c.CAFile, Email: c.Email, AgreeToTerms: c.AgreeToTerms, Folder: c.Folder,
		HTTP: p.options.Listeners.Redirect != nil, TLSALPN: true, DNS: dns, Log: p.options.Log,
		Propagation: acme.Propagation{Resolvers: c.DNSResolvers, Delay: c.DNSDelay, Timeout: c.DNSWait, Off: c.DNSWait == 0},
	})
	return err
}

// redirected is what a gateway does with plain HTTP beside TLS.
func redirected(g *gateway.Gateway, w http.ResponseWriter, r *http.Request) {
	g.Redirect().ServeHTTP(w, r)
}

// redirect is what the listener of plain HTTP serves beside TLS: challenges, and
// the way to https.
func (p *program) redirect() http.Handler {
	if at, ok := p.options.Listeners.Public.Addr().(*net.TCPAddr); ok && at.Port != p.options.Config.HTTPS.Port {
		p.options.Log.Info("plain HTTP is sent to another port than the gateway's own: something must forward it, or set https.port",
			slog.Int("own", at.Port), slog.Int("https.port", p.options.Config.HTTPS.Port))
	}
	h := p.metrics.InFlight(p.current(redirected))
	if p.managed != nil {
		return p.managed.Challenges(h)
	}
	return h
}
