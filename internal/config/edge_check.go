package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// maxHosts bounds Config.Hosts.
const maxHosts = 10_000

// Enabled reports whether the listener speaks TLS.
func (t *TLS) Enabled() bool { return len(t.Certificates) > 0 || t.ACME != nil }

func (l *loader) checkTLS() {
	t := &l.config.TLS
	for i, c := range t.Certificates {
		field := fmt.Sprintf("tls.certificates[%d]", i)
		for name, path := range map[string]string{"cert_file": c.CertFile, "key_file": c.KeyFile} {
			if path == "" && !l.failed(field+"."+name) && !l.failed(field) {
				l.reject(field, "has no "+name, "")
			}
		}
	}
	if t.ACME != nil {
		l.checkACME("tls.acme", t.ACME)
	}
	if !t.Enabled() {
		for name, set := range map[string]bool{
			"client_ca_file": t.ClientCAFile != "", "strict_names": t.StrictNames, "strict_files": t.StrictFiles, "http3": t.HTTP3, "redirect_listen": t.RedirectListen != "",
		} {
			if set {
				l.reject("tls."+name, "has no effect without certificates or acme", "")
			}
		}
	}
	if t.RedirectListen != "" && t.Enabled() && len(l.config.Hosts) == 0 && !l.failed("hosts") {
		l.reject("tls.redirect_listen", "needs hosts: redirects go to names that are known", "list the gateway's names in hosts")
	}
	if t.ClientAuth == "require" && t.ClientCAFile == "" {
		l.reject("tls.client_auth", "has no effect without client_ca_file", "")
	}
	l.checkPeers("proxy_protocol.trusted_peers", l.config.ProxyProtocol.TrustedPeers)
	if t.HTTP3 && t.Enabled() && len(l.config.ProxyProtocol.TrustedPeers) > 0 && !l.failed("tls.http3") {
		l.reject("tls.http3", "is given together with proxy_protocol, which UDP has not: limits and conditions would take the load balancer for the client", "take one of them away")
	}
}

// checkPeers checks load balancers that begin with a PROXY line.
func (l *loader) checkPeers(field string, peers []string) {
	l.eachWord(field, peers, validNetwork, "is neither an address nor a network", "write it like 10.0.0.0/8")
	for i, text := range peers {
		if n, err := netip.ParsePrefix(text); err == nil && n.Bits() < 8 {
			l.reject(fmt.Sprintf("%s[%d]", field, i), "holds nearly everybody", "list the load balancers' own networks")
		}
	}
}

func (l *loader) checkACME(field string, a *ACME) {
	if len(a.Names)+len(a.OnDemand) == 0 && !l.failed(field+".names") && !l.failed(field+".on_demand") {
		l.reject(field, "has no names", "list the host names to get certificates for")
	}
	l.checkACMENames(field, a)
	l.checkDNSCommand(field, a)
	if !a.AgreeToTerms && !l.failed(field+".agree_to_terms") {
		l.reject(field, "does not agree to the authority's terms", "read them, and set agree_to_terms")
	}
	if a.Directory != "" {
		l.checkFetched(field+".directory", a.Directory, false)
	}
	if a.Folder == "" && !l.failed(field+".folder") {
		l.reject(field+".folder", "is empty", "name the folder of accounts and certificates")
	}
}

// checkACMENames wants full host names, each in one place of both lists.
func (l *loader) checkACMENames(field string, a *ACME) {
	in := map[string]string{}
	for _, list := range []struct {
		name  string
		names []string
	}{{"names", a.Names}, {"on_demand", a.OnDemand}} {
		at := field + "." + list.name
		l.checkWords(at, list.names)
		for i, name := range list.names {
			entry, bare := fmt.Sprintf("%s[%d]", at, i), HostOf(name)
			base, mend := name, "list each name"
			if rest, wild := strings.CutPrefix(name, "*."); list.name == "names" && wild {
				if len(a.DNSCommand) > 0 {
					base = rest
				} else {
					mend += ", or prove it by dns_command"
				}
			}
			switch {
			case name == "" || l.failed(entry):
			case strings.Contains(base, "*"):
				l.reject(entry, "is a wildcard, which only the DNS can prove", mend)
			case !validHost(base) || !strings.Contains(HostOf(base), "."):
				l.reject(entry, l.show(entry)+" is not a full host name", "")
			case in[bare] != "":
				l.reject(entry, "is in "+in[bare]+" already", "")
			}
			in[bare] = at
		}
	}
}

// HostOf is a host name as it is compared: in lower case, without the root's dot.
func HostOf(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// checkOrigin checks where a request may say that it comes from and goes to.
func (l *loader) checkOrigin() {
	l.checkHosts()
	l.checkForwardedAt("forwarded", &l.config.Forwarded)
}

// checkForwardedAt checks who is believed by f, which stands at field.
func (l *loader) checkForwardedAt(field string, f *Forwarded) {
	direct := f.From == "direct"
	for name, set := range map[string]bool{
		"trusted_proxies": len(f.TrustedProxies) > 0, "trust_unix_socket": f.TrustUnixSocket, "proto": f.Proto, "host": f.Host,
		"client_cert_header": f.ClientCertHeader != "", "insecure_trust_all": f.InsecureTrustAll,
	} {
		if direct && set {
			l.reject(field+"."+name, "has no effect without from", "say what the proxies write")
		}
	}
	if !direct && len(f.TrustedProxies) == 0 && !f.TrustUnixSocket && !l.failed(field+".trusted_proxies") {
		l.reject(field, "has no trusted_proxies: nobody would be believed", "list the addresses of the proxies")
	}
	l.eachWord(field+".trusted_proxies", f.TrustedProxies, validNetwork, "is neither an address nor a network", "write it like 10.0.0.0/8")
	for i, text := range f.TrustedProxies {
		if n, err := netip.ParsePrefix(text); err == nil && n.Bits() < 8 && !f.InsecureTrustAll {
			l.reject(fmt.Sprintf("%s.trusted_proxies[%d]", field, i), "holds nearly everybody", "list the proxies' own networks")
		}
	}
	if f.From == "header" && f.Header == "" && !l.failed(field+".header") {
		l.reject(field, "has no header", "name the field that holds the address")
	}
	for name, value := range map[string]string{"header": f.Header, "client_cert_header": f.ClientCertHeader} {
		if value != "" && !validToken(value) && !l.failed(field+"."+name) {
			l.reject(field+"."+name, l.show(field+"."+name)+" is not the name of a header field", "")
		}
	}
	if f.Header != "" && f.From != "header" && !direct {
		l.reject(field+".header", "has no effect without from: header", "")
	}
	l.judgeForwarded(field, f)
}

const (
	year     = 365 * 24 * time.Hour // what browsers want for their built-in list
	httpPort = 80
)

func (l *loader) checkHTTPS() { l.checkHTTPSAt("", l.config) }

// checkHTTPSAt checks https of c, which holds at a listener; path is what its field
// begins with.
func (l *loader) checkHTTPSAt(path string, c *Config) {
	h := &c.HTTPS
	if h.Require && !c.TLS.Enabled() && !c.Forwarded.Proto {
		l.reject(path+"https.require", "can never be met: warder speaks no TLS, and believes no proxy that does", "set tls.certificates, or forwarded.proto")
	}
	if h.GetStatus != 308 && h.GetStatus != 301 && !l.failed(path+"https.get_status") {
		l.reject(path+"https.get_status", "is neither 301 nor 308", "")
	}
	if h.OnExposedKey == ExposedDisable && !h.Require && l.config.TLS.RedirectListen == "" && !l.failed(path+"https.on_exposed_key") {
		l.reject(path+"https.on_exposed_key", "has no effect without require or tls.redirect_listen", "")
	}
	if h.Port == httpPort {
		l.reject(path+"https.port", "is that of plain HTTP", "")
	}
	if redirectsBack(l.config.TLS.RedirectListen, h.Port) {
		l.reject(path+"https.port", "is the port of tls.redirect_listen: redirects would lead back to it", "")
	}
	if h.HSTS > 0 && !h.Require && !c.TLS.Enabled() && !l.failed(path+"https.hsts") {
		l.reject(path+"https.hsts", "tells browsers to use https alone, which nothing here requires", "set https.require, or tls.certificates")
	}
	if h.HSTS == 0 && (h.HSTSSubdomains || h.HSTSPreload) && !l.failed(path+"https.hsts") {
		l.reject(path+"https.hsts", "is 0s, which leaves hsts_subdomains and hsts_preload without effect", "")
	}
	if h.HSTSPreload && (h.HSTS < year || !h.HSTSSubdomains) && h.HSTS > 0 {
		l.reject(path+"https.hsts_preload", "needs hsts of 365d or more, and hsts_subdomains", "")
	}
	if h.Require && len(c.Hosts) == 0 && !l.failed(path+"hosts") {
		l.reject(path+"https.require", "needs hosts: redirects go to names that are known", "list the gateway's names in hosts")
	}
}
