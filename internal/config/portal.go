package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/warder-dev/warder/csrf"
)

// A Portal serves pages on which the holder of keys looks at them, and makes, rolls and
// revokes them as far as the link says by which it came. Who administers makes links.
type Portal struct {
	// Listen is the address (host:port) of one more listener, for the holders' pages alone: they have an origin of their own. Beyond loopback it speaks TLS with the certificates of tls. Default: none, there is no portal.
	Listen string `yaml:"listen"`
	// URL is how browsers reach that listener: https://host or https://host:port, and plain http on this machine alone. Required with listen.
	URL string `yaml:"url"`
	// Parents lists the origins whose pages may show the portal in a frame, such as https://app.example.com. At most 32. Default: nobody may.
	Parents []string `yaml:"parents"`
	// ReturnURLs lists the addresses to which a link may say that the holder goes afterwards, each as a whole. At most 64. Default: none.
	ReturnURLs []string `yaml:"return_urls"`
	// RequestsPerMinute is how many requests one address may send to the portal, 10 to 100,000; half of them at once. Default 240.
	RequestsPerMinute int `yaml:"requests_per_minute" default:"240" min:"10" max:"100000"`
	// InsecureListen lets listen be plain HTTP beyond loopback, behind a proxy that speaks TLS. It costs: keys cross the network to that proxy in clear text. Default false.
	InsecureListen bool `yaml:"insecure_listen" default:"false"`
}

const (
	maxParents = 32
	maxReturns = 64
)

// On reports whether there is a portal.
func (p *Portal) On() bool { return p.Listen != "" }

func (l *loader) checkPortal() {
	c := l.config
	p := &c.Portal
	if !p.On() {
		l.portalIsOff(p)
		return
	}
	l.checkAddress("portal.listen", p.Listen)
	for _, other := range []struct{ field, address string }{
		{"listen", c.Listen}, {"tls.redirect_listen", c.TLS.RedirectListen}, {"admin_listen", c.AdminListen}, {"health_listen", c.HealthListen}, {"decision.listen", c.Decision.Listen},
	} {
		l.checkDistinct("portal.listen", p.Listen, other.field, other.address)
	}
	if !l.failed("portal.listen") && !loopback(p.Listen) && !c.TLS.Enabled() && !p.InsecureListen {
		l.reject("portal.listen", "is plain HTTP and not a loopback address", "set tls, or portal.insecure_listen if a proxy that speaks TLS is in front")
	}
	l.checkPortalURL(p)
	l.checkTrusted("portal.parents", p.Parents)
	if len(p.Parents) > maxParents && !l.failed("portal.parents") {
		l.reject("portal.parents", fmt.Sprintf("are %d, want at most %d", len(p.Parents), maxParents), "")
	}
	if len(p.ReturnURLs) > maxReturns && !l.failed("portal.return_urls") {
		l.reject("portal.return_urls", fmt.Sprintf("are %d, want at most %d", len(p.ReturnURLs), maxReturns), "")
	}
	l.eachWord("portal.return_urls", p.ReturnURLs, validReturn, "is no address to go back to", "write it whole, like https://app.example.com/settings; plain http is for this machine alone")
}

// checkPortalURL wants an origin, as browsers send it.
func (l *loader) checkPortalURL(p *Portal) {
	switch {
	case l.failed("portal.url"):
	case p.URL == "":
		l.reject("portal.listen", "the address that browsers have is not said", "set portal.url, like https://keys.example.com")
	default:
		if _, err := csrf.New(csrf.Config{TrustedOrigins: []string{p.URL}}); err != nil {
			l.reject("portal.url", "is no origin of https", "write it like https://keys.example.com, in lower case and without a path; plain http is for this machine alone")
		}
	}
}

// portalIsOff tells of settings that have no effect.
func (l *loader) portalIsOff(p *Portal) {
	for _, given := range []struct {
		field string
		is    bool
	}{{"url", p.URL != ""}, {"parents", len(p.Parents) > 0}, {"return_urls", len(p.ReturnURLs) > 0}, {"insecure_listen", p.InsecureListen}} {
		if field := "portal." + given.field; given.is && !l.failed(field) {
			l.reject(field, "has no effect without portal.listen", "")
		}
	}
}

// validReturn wants where a browser can be led: https, or this machine.
func validReturn(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(text, "#\\ ") || len(text) > 2048 {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	own := u.Hostname() == "localhost" || err == nil && address.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && own
}

// Returns reports whether the holder may be led to text.
func (p *Portal) Returns(text string) bool { return slices.Contains(p.ReturnURLs, text) }
