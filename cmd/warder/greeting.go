package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/warder-dev/warder/internal/config"
)

// greet tells a person what runs, what to beware of, and how to make a key while
// there is none.
func greet(ctx context.Context, stderr io.Writer, cfg *config.Config, at running) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(stderr, "warder: "+format+"\n", args...) }
	scheme := "http"
	if cfg.TLS.Enabled() {
		scheme = "https"
	}
	if strings.HasPrefix(at.public, "/") {
		say("gateway on the Unix socket %s, %s", at.public, scheme)
	} else {
		say("gateway on %s://%s", scheme, at.public)
	}
	if at.redirect != "" {
		say("plain HTTP on http://%s goes to https", at.redirect)
	}
	if at.admin != "" {
		say("metrics and probes on http://%s", at.admin)
		if cfg.AdminPage {
			say("admin page on http://%s/ui/", at.admin)
		}
	}
	if at.decision != "" {
		say("decisions for %s on %s", cfg.Decision.Dialect, decisionURL(cfg, at.decision))
	}
	if at.portal != "" {
		say("portal for holders of keys on %s, which browsers reach as %s", at.portal, cfg.Portal.URL)
	}
	if a := cfg.TLS.ACME; a != nil && len(a.OnDemand) > 0 {
		say("certificates for %s are got when the first client asks for them", strings.Join(a.OnDemand, ", "))
	}
	if a := cfg.TLS.ACME; a != nil && len(a.Names) > 0 {
		say("certificates for %s are got as they are needed; until there is one, clients of its name get none: see the log and /readyz", strings.Join(a.Names, ", "))
	}
	if own, err := netip.ParseAddrPort(at.public); err == nil && !own.Addr().IsLoopback() && !cfg.TLS.Enabled() && !cfg.Forwarded.Proto {
		say("the gateway listens beyond this machine without TLS: keys travel in clear text unless a TLS proxy stands in front")
	}
	greetAdmins(ctx, cfg, at, say)
	try, some := firstTry(cfg)
	if !some {
		return
	}
	if first, err := at.store.keys.List(ctx, "", 1); err != nil || len(first) > 0 {
		return
	}
	_, _ = fmt.Fprintf(stderr, `
There is no key yet, so every request that needs one is refused. Make one in another terminal, and send it:

  KEY=$(%s keys create%s --name first%s --output secret)
`, programName(), storeFlags(cfg), try.flags())
	if !try.asked {
		_, _ = fmt.Fprintf(stderr, "  curl -H \"%s: $KEY\" %s\n", try.header, curlTarget(cfg, at.public)+try.path[1:])
	}
	_, _ = fmt.Fprintln(stderr)
}

// curlTarget is what curl is told to reach the gateway at its own address, under
// a name that its certificate has.
func curlTarget(cfg *config.Config, public string) string {
	switch {
	case strings.HasPrefix(public, "/") && !cfg.TLS.Enabled() && !cfg.HTTPS.Require:
		return "--unix-socket " + public + " http://" + firstName(cfg.Hosts, "localhost") + "/"
	case cfg.TLS.Enabled():
	case cfg.HTTPS.Require: // a proxy in front speaks TLS
		return "https://" + firstName(cfg.Hosts, "HOST") + "/"
	default:
		return "http://" + public + "/"
	}
	host, port, err := net.SplitHostPort(public)
	if err != nil {
		return "https://" + public + "/"
	}
	if address, err := netip.ParseAddr(host); err == nil && address.IsUnspecified() {
		host = "127.0.0.1"
	}
	chain := certificates(cfg)
	name := firstName(certified(cfg, chain), "")
	flags := ""
	if private(chain) {
		flags = "--cacert " + absolute(cfg.TLS.Certificates[0].CertFile) + " "
	}
	if name == "" {
		return flags + "https://" + net.JoinHostPort(host, port) + "/"
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s--resolve %s:%s:%s https://%s:%s/", flags, name, port, host, name, port)
}

// firstName is the first of names that is a whole name of its own.
func firstName(names []string, otherwise string) string {
	for _, name := range names {
		if _, err := netip.ParseAddr(name); err != nil && !strings.ContainsAny(name, "*:[") {
			return name
		}
	}
	return otherwise
}

// certified are the names of the gateway that its certificates have: those of
// hosts first.
func certified(cfg *config.Config, chain []*x509.Certificate) (names []string) {
	var got []string
	if cfg.TLS.ACME != nil {
		got = slices.Concat(cfg.TLS.ACME.Names, cfg.TLS.ACME.OnDemand)
	}
	for _, host := range cfg.Hosts {
		if slices.Contains(got, host) || len(chain) > 0 && chain[0].VerifyHostname(host) == nil {
			names = append(names, host)
		}
	}
	if len(chain) > 0 {
		got = append(slices.Clone(got), chain[0].DNSNames...)
	}
	return append(names, got...)
}

// certificates are those of the first file; none when it cannot be read, which
// the server has told by then.
func certificates(cfg *config.Config) (chain []*x509.Certificate) {
	if len(cfg.TLS.Certificates) == 0 {
		return nil
	}
	text, err := readCertificate(cfg.TLS.Certificates[0].CertFile)
	if err != nil {
		return nil
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			chain = append(chain, c)
		}
	}
	return chain
}

// private reports whether the authority that vouches for chain is none that the
// system knows, so that curl has to be told whom to believe.
func private(chain []*x509.Certificate) bool {
	if len(chain) == 0 {
		return false
	}
	others := x509.NewCertPool()
	for _, c := range chain[1:] {
		others.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Intermediates: others})
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	return unknown
}
