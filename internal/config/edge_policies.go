package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/trustedhost"
)

// The values of [CORSPolicy.Preflight] and [HTTPS.OnExposedKey].
const (
	PreflightPass  = "pass"
	ExposedDisable = "disable"
)

// anybody is the origin that stands for all of them.
const anybody = "*"

// Library returns the policy as package cors has it, without anybody to report to.
func (p *CORSPolicy) Library() cors.Config {
	cfg := cors.Config{
		Origins: p.Origins, Credentials: p.Credentials, InsecureHTTPOrigins: p.InsecureHTTPOrigins, Methods: p.Methods,
		RequestHeaders: p.RequestHeaders, ExposedHeaders: p.ExposedHeaders, MaxAge: p.MaxAge, PrivateNetwork: p.PrivateNetwork,
		ForwardPreflight: p.Preflight == PreflightPass, Shadow: p.Shadow,
	}
	if slices.Equal(p.Origins, []string{anybody}) {
		cfg.Origins, cfg.AnyOrigin = nil, true
	}
	if p.MaxAge == 0 {
		cfg.MaxAge = -1 // none, where zero leaves it to the browser
	}
	return cfg
}

// judge lets a library's constructor judge each entry of a list alone, so that
// what it says has a place.
func (l *loader) judge(field string, entries []string, try func(entry string) error, hint string) {
	for i, entry := range entries {
		at := fmt.Sprintf("%s[%d]", field, i)
		if entry == "" || l.failed(at) {
			continue
		}
		if err := try(entry); err != nil {
			l.reject(at, l.show(at)+" is refused: "+reasonOf(err, entry), hint)
		}
	}
}

// reasonOf is what an error of a library says behind the entry, which may be a
// secret, and without the names of the library's own fields.
func reasonOf(err error, entry string) string {
	text := strings.TrimPrefix(firstLine(err.Error()), "cors: ")
	if _, behind, ok := strings.Cut(text, strconv.Quote(entry)+": "); ok {
		text = behind
	}
	text, _, _ = strings.Cut(text, ";")
	return text
}

func (l *loader) checkCORS() {
	for _, name := range sortedKeys(l.config.CORS) {
		field, p := "cors."+name, l.config.CORS[name]
		if name == Off {
			l.reject(field, "is the word for no policy", "give it another name")
		}
		if len(p.Origins) == 0 && !l.failed(field+".origins") && !l.failed(field) {
			l.reject(field, "has no origins", "")
		}
		l.checkOrigins(field, &p)
		for _, list := range []struct {
			name    string
			entries []string
			put     func(*cors.Config, []string)
		}{
			{"methods", p.Methods, func(c *cors.Config, one []string) { c.Methods = one }},
			{"request_headers", p.RequestHeaders, func(c *cors.Config, one []string) { c.RequestHeaders = one }},
			{"exposed_headers", p.ExposedHeaders, func(c *cors.Config, one []string) { c.ExposedHeaders = one }},
		} {
			l.checkWords(field+"."+list.name, list.entries)
			l.judge(field+"."+list.name, list.entries, func(entry string) error {
				c := cors.Config{Origins: []string{"https://app.example.com"}, Credentials: p.Credentials}
				list.put(&c, []string{entry})
				_, err := cors.New(c)
				return err
			}, "")
		}
		if slices.Contains(p.ExposedHeaders, anybody) && len(p.ExposedHeaders) > 1 {
			l.reject(field+".exposed_headers", "has * among others", "let it stand alone")
		}
		if p.MaxAge%time.Second != 0 && !l.failed(field+".max_age") {
			l.reject(field+".max_age", "is not in whole seconds", "")
		}
	}
}

// checkOrigins refuses the policies by which anybody could read as somebody else.
func (l *loader) checkOrigins(field string, p *CORSPolicy) {
	l.checkWords(field+".origins", p.Origins)
	all := slices.Contains(p.Origins, anybody)
	if all && len(p.Origins) > 1 {
		l.reject(field+".origins", "has * among others", "let it stand alone, or list the origins")
	}
	if all && p.Credentials {
		l.reject(field+".credentials", "is set for every origin: any site could read what is its visitors'", "list the origins")
	}
	if all && p.PrivateNetwork {
		l.reject(field+".private_network", "is set for every origin: any site could read what is behind its visitors' walls", "list the origins")
	}
	listed := make([]string, len(p.Origins))
	for i, origin := range p.Origins {
		if origin != anybody {
			listed[i] = origin
		}
	}
	const form = "write it like https://app.example.com, with a port if need be"
	l.judge(field+".origins", listed, func(origin string) error {
		_, err := cors.New(cors.Config{Origins: []string{origin}})
		return err
	}, form)
	if (p.Credentials || p.PrivateNetwork) && !p.InsecureHTTPOrigins {
		l.judge(field+".origins", listed, func(origin string) error {
			_, err := cors.New(cors.Config{Origins: []string{origin}, Credentials: true})
			return err
		}, "use https, or set insecure_http_origins")
	}
}

// checkPreflight wants a preflight that is passed to reach the upstream: it has no
// credential.
func (l *loader) checkPreflight(field string, r *Route) {
	name := r.CORS
	if name == "" {
		name = DefaultCORS
	}
	p, ok := l.config.CORS[name]
	if !ok || p.Preflight != PreflightPass || l.failed(field+".cors") {
		return
	}
	method, _, hasMethod := strings.Cut(r.Match, " ")
	security := l.config.RouteSecurity(r)
	optional := r.Public || len(security) > 0 && len(security[len(security)-1]) == 0
	if optional || hasMethod && method != "OPTIONS" {
		return
	}
	l.reject(field, fmt.Sprintf("has the CORS policy %q, which passes preflights on, and asks for a credential, which no preflight has", name),
		`give preflights a public route of their own, such as "OPTIONS /orders", or let the policy answer them`)
}

// checkHosts checks the gateway's names.
func (l *loader) checkHosts() {
	hosts := l.config.Hosts
	if l.config.HostsShadow && len(hosts) == 0 && !l.failed("hosts") {
		l.reject("hosts_shadow", "has no effect without hosts", "")
	}
	l.checkHostList("hosts", hosts)
}

// checkHostList lets trustedhost judge each host of the list at field, as [checkCORS]
// lets cors.
func (l *loader) checkHostList(field string, hosts []string) {
	if len(hosts) > maxHosts {
		l.reject(field, fmt.Sprintf("are %d, want at most %d", len(hosts), maxHosts), "")
		return
	}
	l.checkWords(field, hosts)
	for i, host := range hosts {
		if at := fmt.Sprintf("%s[%d]", field, i); strings.Contains(host, "://") && !l.failed(at) {
			l.reject(at, "is a URL, want the name of a host", "write it like api.example.com, without https:// and path")
		}
	}
	l.judge(field, hosts, func(host string) error {
		_, err := trustedhost.New(trustedhost.Config{Hosts: []string{host}})
		if bad, ok := errors.AsType[*trustedhost.HostError](err); ok {
			return errors.New(bad.Reason)
		}
		return err
	}, `write it like api.example.com, "*.example.com" or api.example.com:8443`)
}
