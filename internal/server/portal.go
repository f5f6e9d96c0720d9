package server

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/portal"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/trustedhost"
)

// A holdersPortal is the pages for holders; the zero value is none.
type holdersPortal struct {
	site    *portal.Site
	handler atomic.Pointer[http.Handler] // behind the edge of the configuration in force
}

// passes keeps links to the portal; nil for none.
func (p *program) passes() portallink.Store {
	if !p.options.Config.Portal.On() {
		return nil
	}
	return p.options.Portal
}

// addPortal makes the listener of holders.
func (p *program) addPortal() error {
	o := &p.options
	c := &o.Config.Portal
	keys, finds := o.Store.(portal.Keys)
	if o.Portal == nil || !finds {
		return errors.New("portal.listen: the store of keys cannot keep links to the portal")
	}
	issuer, err := p.issuer(p.verifier.Invalidate)
	if err != nil {
		return err
	}
	cfg := portal.Config{
		Passes: o.Portal, Keys: keys, Issuer: issuer, Registry: o.Registry, Attempts: p.attempts(), Log: o.Log, URL: c.URL, Parents: c.Parents,
		Vouches: vouches(o.Accounts), Returns: c.Returns, PerMinute: c.RequestsPerMinute, Timeout: o.Config.Timeouts.Store,
	}
	if o.Usage != nil && !o.Config.Usage.Off {
		cfg.Uses = o.Usage
	}
	if p.portal.site, err = portal.New(cfg); err != nil {
		return err
	}
	if err := p.renewPortal(o.Config); err != nil {
		return err
	}
	var secure *tls.Config
	if address, err := netip.ParseAddrPort(o.Listeners.Portal.Addr().String()); err != nil || !address.Addr().IsLoopback() && !c.InsecureListen {
		secure = p.publicTLS()
	}
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*p.portal.handler.Load()).ServeHTTP(w, r) })
	return p.addPublic("portal", o.Listeners.Portal, p.lineage.settling(front), secure)
}

// attempts keeps what came of requests that may be sent again.
func (p *program) attempts() idempotency.Store {
	if p.options.Attempts == nil {
		p.options.Attempts = new(idempotency.Memory)
	}
	return p.options.Attempts
}

// renewPortal puts the pages behind the edge of cfg: who is believed about addresses
// can change while the program runs.
func (p *program) renewPortal(cfg *config.Config) error {
	if p.portal.site == nil {
		return nil
	}
	own, err := url.Parse(cfg.Portal.URL)
	if err != nil {
		return err
	}
	edge := warder.Edge{Recover: httpserver.NewRecover(p.options.Log)}
	var errs [5]error
	edge.RequestID, errs[0] = requestid.New(requestid.Config{})
	edge.AccessLog, errs[1] = accesslog.New(accesslog.Config{Logger: p.options.AccessLog, Path: accesslog.PathMode(cfg.Log.Path), Tail: p.tail})
	edge.Forwarded, errs[2] = gateway.Forwarded(&cfg.Forwarded)
	edge.TrustedHost, errs[3] = trustedhost.New(trustedhost.Config{Hosts: []string{own.Host}})
	edge.Target, errs[4] = target.New(target.Config{MaxLength: int(cfg.Limits.TargetBytes)})
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	handler, err := p.portal.site.Wrap(edge)
	if err != nil {
		return err
	}
	p.portal.handler.Store(&handler)
	return nil
}

// portalLinks is what the admin API makes links of; nil for none.
func (p *program) portalLinks() *keyservice.Portal {
	if p.passes() == nil {
		return nil
	}
	c := &p.options.Config.Portal
	return &keyservice.Portal{Passes: p.passes(), Open: c.URL + portal.OpenPath, Returns: c.Returns}
}
