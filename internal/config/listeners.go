package config

import (
	"cmp"
	"fmt"
	"net"
	"path"
	"reflect"
	"strconv"
	"strings"
)

// A Listener is one more place where the gateway serves the same routes. What it does not say is as the gateway says.
type Listener struct {
	// Listen is the address (host:port) of the listener, or unix:/path for a Unix socket. A change needs a restart. Required.
	Listen string `yaml:"listen" jsonschema:"required"`
	// TLS is whether the listener speaks TLS, with the certificates and all else of tls: on or off. A change needs a restart. Default: on where tls has certificates or acme.
	TLS string `yaml:"tls" unset:"inherited" enum:"on|off"`
	// InsecureH2C also speaks HTTP/2 without TLS, to clients that begin with it, such as those of gRPC. Not with TLS, which has HTTP/2 anyway. A change needs a restart. It costs: what is said can be read and changed on the way, and whoever stands in front and takes the connection for HTTP/1.1 does not see its requests. Default false.
	InsecureH2C bool `yaml:"insecure_h2c" default:"false"`
	// ProxyProtocol says which peers begin with a PROXY line, in place of proxy_protocol; {} means nobody. A change needs a restart. Default: that of proxy_protocol.
	ProxyProtocol *ProxyProtocol `yaml:"proxy_protocol"`
	// Hosts are the names that the listener answers to, in place of hosts; [] means every name. Default: those of hosts.
	Hosts []string `yaml:"hosts" unset:"inherited"`
	// Forwarded says who is believed about where a request comes from, as a whole in place of forwarded; {} means nobody. Default: that of forwarded.
	Forwarded *Forwarded `yaml:"forwarded"`
	// HTTPS says what becomes of plain HTTP, as a whole in place of https. Default: that of https.
	HTTPS *HTTPS `yaml:"https"`
	// Headers are fields that every answer of the listener gets, where its route has none of its own. Default: those of headers.
	Headers *RouteHeaders `yaml:"headers"`
}

// The values of [Listener.TLS].
const (
	listenerTLS   = "on"
	listenerPlain = "off"
)

// maxListeners bounds Config.Listeners.
const maxListeners = 32

// ListenersField is what the settings of each listener begin with, before its name.
const ListenersField = "listeners."

// ListenerField is the setting of a listener's address, by which a socket is passed
// for it.
func ListenerField(name string) string { return ListenersField + name + ".listen" }

// At returns the configuration as it holds at the listener called name: Listen, Hosts,
// Forwarded, HTTPS, Headers and ProxyProtocol are the listener's, and TLS has no
// certificates where it speaks plain HTTP. For a name that no listener has it is c: then
// the gateway's own listener is meant.
func (c *Config) At(name string) *Config {
	l, ok := c.Listeners[name]
	if !ok {
		return c
	}
	at := *c
	at.Listen, at.InsecureH2C = l.Listen, l.InsecureH2C
	at.Headers = c.headersWith(l.Headers)
	if l.Hosts != nil {
		at.Hosts = l.Hosts
	}
	if l.Forwarded != nil {
		at.Forwarded = *l.Forwarded
	}
	if l.HTTPS != nil {
		at.HTTPS = *l.HTTPS
	}
	if l.ProxyProtocol != nil {
		at.ProxyProtocol = *l.ProxyProtocol
	}
	if l.TLS == listenerPlain {
		at.TLS = TLS{}
	}
	return &at
}

// checkMoreListeners checks the listeners beside the gateway's own, against each other
// and against every address that something else has.
func (l *loader) checkMoreListeners() {
	c := l.config
	if len(c.Listeners) > maxListeners {
		l.reject("listeners", fmt.Sprintf("are %d, want at most %d", len(c.Listeners), maxListeners), "")
		return
	}
	taken := []struct{ field, address string }{
		{"listen", c.Listen},
		{"tls.redirect_listen", c.TLS.RedirectListen},
		{"admin_listen", c.AdminListen},
		{"health_listen", c.HealthListen},
		{"decision.listen", c.Decision.Listen},
		{"portal.listen", c.Portal.Listen},
	}
	for _, name := range sortedKeys(c.Listeners) {
		field, one := "listeners."+name, c.Listeners[name]
		if l.failed(field) {
			continue
		}
		at := ListenerField(name)
		l.checkListenerAddress(at, one.Listen)
		for _, other := range taken {
			l.checkDistinct(at, one.Listen, other.field, other.address)
		}
		taken = append(taken, struct{ field, address string }{at, one.Listen})
		if one.TLS == listenerTLS && !c.TLS.Enabled() && !l.failed(field+".tls") {
			l.reject(field+".tls", "is on, and there is nothing to speak TLS with", "set tls.certificates or tls.acme")
		}
		l.checkListenerEdge(field, &one)
		l.checkListenerTrust(field, &one)
	}
}

// checkListenerAddress wants host:port, or the path of a Unix socket.
func (l *loader) checkListenerAddress(field, address string) {
	socket, ok := UnixSocket(address)
	switch {
	case l.failed(field):
	case address == "":
		l.reject(strings.TrimSuffix(field, ".listen"), "has no listen", "name its address, such as 127.0.0.1:9000 or unix:/run/warder/internal.sock")
	case !ok:
		l.checkAddress(field, address)
	case !path.IsAbs(socket) || path.Clean(socket) != socket || strings.ContainsRune(socket, 0):
		l.reject(field, "is no path of a Unix socket", "write it like unix:/run/warder/warder.sock, without . and ..")
	case len(socket) > maxSocketPath:
		l.reject(field, "the path of the socket is longer than 100 bytes", "")
	}
}

// checkListenerEdge checks what the listener has in place of the gateway's, and what it
// inherits where that cannot hold at it.
func (l *loader) checkListenerEdge(field string, one *Listener) {
	at := l.config.At(strings.TrimPrefix(field, "listeners."))
	if one.ProxyProtocol != nil {
		l.checkPeers(field+".proxy_protocol.trusted_peers", one.ProxyProtocol.TrustedPeers)
	}
	if one.Hosts != nil {
		l.checkHostList(field+".hosts", one.Hosts)
	}
	if one.Forwarded != nil {
		l.checkForwardedAt(field+".forwarded", one.Forwarded)
	}
	if one.Headers != nil {
		l.checkOwnHeaders(field+".headers", one.Headers)
	}
	if one.HTTPS != nil {
		l.checkHTTPSAt(field+".", at)
		return
	}
	h := &at.HTTPS
	if !h.Require || l.failed("https.require") || l.failed("hosts") || l.failed(field+".hosts") {
		return
	}
	if !at.TLS.Enabled() && !at.Forwarded.Proto {
		l.reject(field, "https.require can never be met here: this listener speaks no TLS, and believes no proxy that does", "give it https: {require: false}, or forwarded with proto")
	}
	if len(at.Hosts) == 0 {
		l.reject(field, "has every name, and https.require needs hosts: redirects go to names that are known", "list its names in hosts, or give it https: {require: false}")
	}
}

// checkListenerTrust refuses to believe where nobody could be believed, or everybody.
func (l *loader) checkListenerTrust(field string, one *Listener) {
	name := strings.TrimPrefix(field, ListenersField)
	if l.failed(ListenerField(name)) || l.failed(field+".forwarded") || l.failed("forwarded") {
		return
	}
	_, socket := UnixSocket(one.Listen)
	if f := l.config.trustFault(name, socket, loopback(one.Listen)); f.what != "" {
		l.reject(field+f.below, f.what, f.mend)
	}
}

// A fault is what is wrong with a setting below a listener, and how it is mended.
type fault struct{ below, what, mend string }

// trustFault is what is wrong with whom the listener called name believes, at a Unix
// socket, or at an address that is loopback's or not; the zero fault for nothing.
func (c *Config) trustFault(name string, socket, loop bool) fault {
	f, own := &c.At(name).Forwarded, c.Listeners[name].Forwarded != nil
	below := ""
	if own {
		below = ".forwarded"
	}
	switch {
	case f.From == "direct":
	case f.InsecureTrustAll && !socket && !loop:
		return fault{below, "believes everybody at an address that others reach: each client would choose its own address", "listen on loopback or a Unix socket, or list the proxies' own networks and leave insecure_trust_all"}
	case socket && !f.TrustUnixSocket && own:
		return fault{below, "believes nobody: who connects to a Unix socket has no address", "set trust_unix_socket, and leave trusted_proxies"}
	case socket && !f.TrustUnixSocket:
		return fault{below, "believes nobody: it is a Unix socket, at which nobody has one of the addresses in forwarded", "give it forwarded with trust_unix_socket, or forwarded: {} where nobody is to be believed"}
	case !socket && f.TrustUnixSocket && len(f.TrustedProxies) == 0 && own:
		return fault{below + ".trust_unix_socket", "has no effect: this listener is no Unix socket", "list the proxies in trusted_proxies"}
	}
	return fault{}
}

// CheckPassed reports what is wrong with whom the listener called name believes, where
// a socket at the address at was passed for it in place of its own.
func (c *Config) CheckPassed(name string, at net.Addr) error {
	tcp, isTCP := at.(*net.TCPAddr)
	f := c.trustFault(name, !isTCP, isTCP && tcp.IP.IsLoopback())
	if f.what == "" {
		return nil
	}
	return fmt.Errorf("%s%s%s: the passed socket (%s) %s: %s", ListenersField, name, f.below, at, f.what, f.mend)
}

// checkOwnHeaders checks fields that stand at path, in place of some of headers.
func (l *loader) checkOwnHeaders(path string, own *RouteHeaders) {
	valid := l.checkFields(path, &Headers{
		ContentSecurityPolicy: own.ContentSecurityPolicy, FrameOptions: own.FrameOptions, ReferrerPolicy: own.ReferrerPolicy,
		PermissionsPolicy: own.PermissionsPolicy, CrossOriginResourcePolicy: own.CrossOriginResourcePolicy,
		CrossOriginOpenerPolicy: own.CrossOriginOpenerPolicy, CrossOriginEmbedderPolicy: own.CrossOriginEmbedderPolicy, Remove: own.Remove,
	})
	if all := l.config.headersWith(own); valid && l.headersValid {
		l.checkRemoved(path, &all)
	}
}

// headersWith is the top level's headers with those of own in their place.
func (c *Config) headersWith(own *RouteHeaders) Headers {
	h := c.Headers
	if own == nil {
		return h
	}
	h.ContentSecurityPolicy = cmp.Or(own.ContentSecurityPolicy, h.ContentSecurityPolicy)
	h.FrameOptions = cmp.Or(own.FrameOptions, h.FrameOptions)
	h.ReferrerPolicy = cmp.Or(own.ReferrerPolicy, h.ReferrerPolicy)
	h.PermissionsPolicy = cmp.Or(own.PermissionsPolicy, h.PermissionsPolicy)
	h.CrossOriginResourcePolicy = cmp.Or(own.CrossOriginResourcePolicy, h.CrossOriginResourcePolicy)
	h.CrossOriginOpenerPolicy = cmp.Or(own.CrossOriginOpenerPolicy, h.CrossOriginOpenerPolicy)
	h.CrossOriginEmbedderPolicy = cmp.Or(own.CrossOriginEmbedderPolicy, h.CrossOriginEmbedderPolicy)
	if own.Remove != nil {
		h.Remove = own.Remove
	}
	return h
}

// clearTextAt tells of a listener whose traffic others on the way can read.
func (w *weaknesses) clearTextAt(field string, c *Config) {
	if _, socket := UnixSocket(c.Listen); socket || c.TLS.Enabled() || c.Forwarded.Proto || loopback(c.Listen) {
		return
	}
	w.add(field, "whoever is on the way between this machine and its clients reads the keys: there is no TLS, and no proxy that ends it", "set tls, or forwarded and https.require")
}

// listenerChanges adds what differs between listeners: which there are, where they
// listen and how connections begin is made once, all else is judged anew.
func listenerChanges(before, after *Config) (live, restart []string) {
	for _, name := range sortedKeys(before.Listeners) {
		if _, still := after.Listeners[name]; !still {
			restart = append(restart, "listeners."+name)
		}
	}
	for _, name := range sortedKeys(after.Listeners) {
		a, was := before.Listeners[name]
		if !was {
			restart = append(restart, "listeners."+name)
			continue
		}
		x, y := reflect.ValueOf(a), reflect.ValueOf(after.Listeners[name])
		for sf := range yamlFields(x.Type()) {
			what := sf.Tag.Get("yaml")
			switch {
			case same(x.FieldByIndex(sf.Index), y.FieldByIndex(sf.Index)):
			case what == "listen", what == "tls", what == "proxy_protocol", what == "insecure_h2c":
				restart = append(restart, "listeners."+name+"."+what)
			default:
				live = append(live, "listeners."+name+"."+what)
			}
		}
	}
	return live, restart
}

// redirectsBack reports whether port is that of the listener of plain HTTP at address.
func redirectsBack(address string, port int) bool {
	_, of, err := net.SplitHostPort(address)
	return err == nil && of == strconv.Itoa(port)
}
