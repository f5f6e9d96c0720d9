package config

import (
	"fmt"
	"time"

	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/ticket"
)

// A Decision says whether other proxies may ask if a request may pass, instead
// of sending it through the gateway.
type Decision struct {
	// Listen is the address (host:port) of one more listener, where proxies ask. Beyond loopback it speaks TLS with the certificates of tls. Default: none.
	Listen string `yaml:"listen"`
	// Dialect is the kind of proxy that asks: nginx by auth_request, caddy by forward_auth, traefik by ForwardAuth, haproxy by the guide's action in Lua, envoy by ext_authz over gRPC, envoy-http by ext_authz over HTTP. Required with listen. Default none.
	Dialect string `yaml:"dialect" default:"none" enum:"none|nginx|caddy|traefik|haproxy|envoy|envoy-http"`
	// Proxies lists the addresses and networks that are answered. Default: this machine.
	Proxies []string `yaml:"proxies"`
	// MaxAge is for how long a proxy may store that a request may pass, whole seconds up to keys.freshness; never longer than a revoked key may pass anyway, than the key lives or a window of time is open, and not at all where limits, credits or other fields of the request decide too. It needs the guide's wiring. Not with envoy. Default 0s, nothing is stored.
	MaxAge time.Duration `yaml:"max_age" default:"0s" min:"0s" max:"1h"`
	// TicketKey makes tickets, by which services know that a request came through warder: 32 characters or more, those of 32 random bytes in base64. The services have it too. Not with envoy. Default: none, there are no tickets.
	TicketKey secret.Text `yaml:"ticket_key"`
	// InsecureListen lets listen be plain HTTP beyond loopback. It costs: keys cross the network in clear text. Default false.
	InsecureListen bool `yaml:"insecure_listen" default:"false"`
}

// noDialect says that nobody asks.
const noDialect = "none"

// Envoy is the dialect of those who ask by gRPC.
const Envoy = "envoy"

// On reports whether proxies may ask.
func (d *Decision) On() bool { return d.Listen != "" }

// Networks are those whose proxies are answered.
func (d *Decision) Networks() []string {
	if len(d.Proxies) == 0 {
		return []string{"127.0.0.0/8", "::1/128"}
	}
	return d.Proxies
}

func (l *loader) checkDecision() {
	c := l.config
	d := &c.Decision
	l.eachWord("decision.proxies", d.Proxies, validNetwork, "is neither an address nor a network", "write it like 10.0.0.0/8")
	if !d.On() {
		for name, given := range map[string]bool{"dialect": d.Dialect != noDialect, "proxies": len(d.Proxies) > 0, "insecure_listen": d.InsecureListen, "max_age": d.MaxAge != 0, "ticket_key": !d.TicketKey.IsZero()} {
			if given && !l.failed("decision."+name) {
				l.reject("decision."+name, "has no effect without decision.listen", "")
			}
		}
		return
	}
	l.checkAddress("decision.listen", d.Listen)
	for _, other := range []struct{ field, address string }{
		{"listen", c.Listen}, {"tls.redirect_listen", c.TLS.RedirectListen}, {"admin_listen", c.AdminListen}, {"health_listen", c.HealthListen},
	} {
		l.checkDistinct("decision.listen", d.Listen, other.field, other.address)
	}
	if d.Dialect == noDialect && !l.failed("decision.dialect") {
		l.reject("decision.listen", "the kind of proxy is not said", "set decision.dialect: it is never guessed from what arrives")
	}
	if !l.failed("decision.listen") && !loopback(d.Listen) && !c.TLS.Enabled() && !d.InsecureListen {
		l.reject("decision.listen", "is plain HTTP and not a loopback address", "set tls, or decision.insecure_listen if nobody else is on that network")
	}
	l.checkKept()
	l.checkUndecidable()
}

// checkKept checks what says for how long a decision may be kept.
func (l *loader) checkKept() {
	d, keys := &l.config.Decision, &l.config.Keys
	if d.MaxAge > keys.Freshness && !l.failed("decision.max_age") && !l.failed("keys.freshness") {
		l.reject("decision.max_age", "is longer than keys.freshness, "+formatDuration(keys.Freshness), "a revoked key may not pass for longer because a proxy stored that it did")
	}
	if d.MaxAge%time.Second != 0 && !l.failed("decision.max_age") {
		l.reject("decision.max_age", "is no whole number of seconds", "proxies count in seconds")
	}
	if !d.TicketKey.IsZero() && ticket.CheckKey(d.TicketKey) != nil && !l.failed("decision.ticket_key") {
		l.reject("decision.ticket_key", "is too short", "make one by `openssl rand -base64 32`")
	}
	if d.Dialect != Envoy && d.Dialect != "envoy-http" {
		return
	}
	if d.MaxAge != 0 && !l.failed("decision.max_age") {
		l.reject("decision.max_age", "has no effect with "+d.Dialect, "Envoy stores no answers")
	}
	if !d.TicketKey.IsZero() && !l.failed("decision.ticket_key") {
		l.reject("decision.ticket_key", "has no effect with "+d.Dialect, "Envoy tells upstreams of warder by mutual TLS")
	}
}

// checkUndecidable refuses what a front that only decides cannot enforce: what
// needs the body, the answer, or a place that is given back at its end.
func (l *loader) checkUndecidable() {
	c := l.config
	const noAnswer = "cannot hold where proxies ask by decision.listen: the answer is not seen"
	for name, limit := range c.RateLimits {
		field := "rate_limits." + name
		if limit.Concurrent > 0 && !l.failed(field+".concurrent") {
			l.reject(field+".concurrent", "cannot hold where proxies ask by decision.listen: nobody says when a request ends", "bound it in the proxy")
		}
		if limit.CostHeader != "" && !l.failed(field+".cost_header") {
			l.reject(field+".cost_header", noAnswer, "")
		}
	}
	for name, scheme := range c.Schemes {
		if field := "schemes." + name + ".key.in"; scheme.Key != nil && scheme.Key.In == InQuery && !l.failed(field) {
			l.reject(field, "cannot hold where proxies ask by decision.listen: the key would stay in the query that they forward", "take a header, or send these requests through the gateway")
		}
	}
	if c.Credits.CostHeader != "" && !l.failed("credits.cost_header") {
		l.reject("credits.cost_header", noAnswer, "")
	}
	if c.Credits.RefundFailed && !l.failed("credits.refund_failed") {
		l.reject("credits.refund_failed", noAnswer, "")
	}
	for i := range c.Routes {
		l.checkReadings(fmt.Sprintf("routes[%d].allow", i), c.Routes[i].Allow)
		if field := fmt.Sprintf("routes[%d].body_bytes", i); c.Routes[i].BodyBytes > 0 && !l.failed(field) {
			l.reject(field, "cannot hold where proxies ask by decision.listen: the body is not there", "bound it in the proxy, and leave it to limits.body_bytes here")
		}
	}
}

// checkReadings refuses readings that only who forwards can make the one: a proxy
// that asks sends on the path as it came. An encoded slash stays one for both.
func (l *loader) checkReadings(field string, allow []string) {
	for i, word := range allow {
		if entry := fmt.Sprintf("%s[%d]", field, i); word != "encoded_slash" && !l.failed(entry) {
			l.reject(entry, "cannot hold where proxies ask by decision.listen: they forward the path as it came, and not as it was judged", "send these requests through the gateway")
		}
	}
}
