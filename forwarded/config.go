package forwarded

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/warder-dev/warder/problem"
)

// Config says whom to believe, and in what. The zero value is invalid: with
// nobody to believe, [Direct] is the stage.
type Config struct {
	_ [0]func()

	// TrustedProxies are the addresses of the peers that are believed, and of the
	// proxies before them. Required, unless TrustUnixSocket is set. A prefix shorter
	// than 8 bits, other than fc00::/7, is refused, and so are prefixes that together
	// hold every address of a family: see InsecureTrustAll.
	TrustedProxies []netip.Prefix

	// TrustUnixSocket makes the peers of a Unix socket listed ones: whoever may
	// open it is then believed.
	TrustUnixSocket bool

	// InsecureTrustAll allows prefixes of any length. It costs the client's address:
	// whoever is listed writes the list, and can name anybody.
	InsecureTrustAll bool

	// ReadProto takes the scheme from X-Forwarded-Proto, or the proto parameter of
	// Forwarded: the proxies must set it on each request. Without the field the
	// scheme is the connection's. "http" and "https", and "ws" and "wss", which mean
	// the same, are read, without case; anything else, and two values, get 400.
	ReadProto bool

	// ReadHost takes Host and Port from X-Forwarded-Host, or the host parameter of
	// Forwarded: the proxies must set it on each request. Without the field they are
	// those of the request. What is no single host gets 400.
	ReadHost bool

	// Header names the field that carries the address, such as CF-Connecting-IP or
	// True-Client-IP. Required by [SingleHeader], refused by the others.
	Header string

	// ClientCertHeader names the field in which the proxies forward the certificate
	// that they have verified, such as Ssl-Client-Cert or X-Forwarded-Tls-Client-Cert;
	// "" for none. They must set or remove it on each request. It holds one
	// certificate of at most 16 KiB: PEM, percent-encoded or with blanks for line
	// breaks; base64 of the DER form; or that between colons (RFC 9440). An empty
	// field means no certificate, an unreadable one gets 400.
	ClientCertHeader string
}

// XForwardedFor returns the stage for listed proxies that append the address of
// their peer to X-Forwarded-For. It reports every invalid field of cfg at once.
func XForwardedFor(cfg Config) (*Stage, error) { return newStage(cfg, xForwardedFor, forField) }

// Forwarded returns the stage for listed proxies that append an element to
// Forwarded (RFC 7239). It reports every invalid field of cfg at once.
//
// Scheme and host are those of the element that decides the address. One that
// does not follow the grammar, or has a parameter twice, names nobody; with
// ReadProto or ReadHost it gets 400.
func Forwarded(cfg Config) (*Stage, error) { return newStage(cfg, forwardedField, "Forwarded") }

// SingleHeader returns the stage for listed peers that send the client's address,
// alone, in cfg.Header. It reports every invalid field of cfg at once. Without the
// field the peer is the client; a field with anything but one address, and two
// fields, make it so too and set [exchange.Exchange.ClientDoubtful].
func SingleHeader(cfg Config) (*Stage, error) {
	return newStage(cfg, singleField, http.CanonicalHeaderKey(cfg.Header))
}

// Names of fields, canonical.
const (
	forField   = "X-Forwarded-For"
	protoField = "X-Forwarded-Proto"
	hostField  = "X-Forwarded-Host"
)

func newStage(cfg Config, from source, field string) (*Stage, error) {
	trusted, err := newRanges(cfg.TrustedProxies, cfg.InsecureTrustAll)
	errs := []error{err}
	if len(cfg.TrustedProxies) == 0 && !cfg.TrustUnixSocket {
		errs = append(errs, errors.New("forwarded: TrustedProxies is empty: list the proxies, or use Direct"))
	}
	errs = append(errs, checkHeader(cfg, from, field))
	certField := http.CanonicalHeaderKey(cfg.ClientCertHeader)
	if certField != "" && (!validField(certField) || owned(certField) || certField == field) {
		errs = append(errs, fmt.Errorf("forwarded: ClientCertHeader %q is not the name of a field of its own", cfg.ClientCertHeader))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s := Direct()
	s.source, s.field, s.trusted, s.unixSocket = from, field, trusted, cfg.TrustUnixSocket
	s.readProto, s.readHost, s.certField = cfg.ReadProto, cfg.ReadHost, certField
	s.unreadable = problem.New(problem.InvalidForwarded, "A proxy in front of the server forwards what has no single meaning. Report it to who runs the server.")
	return s, nil
}

// checkHeader judges Config.Header.
func checkHeader(cfg Config, from source, field string) error {
	switch {
	case from != singleField && cfg.Header != "":
		return fmt.Errorf("forwarded: Header %q is for SingleHeader only", cfg.Header)
	case from == singleField && cfg.Header == "":
		return errors.New("forwarded: Header is missing: name the field that carries the address")
	case from == singleField && (!validField(field) || owned(field)):
		return fmt.Errorf("forwarded: Header %q is not the name of a field that holds one address", cfg.Header)
	default:
		return nil
	}
}

// owned reports whether the canonical name has a meaning that no configuration
// can give it.
func owned(name string) bool {
	switch name {
	case forField, protoField, hostField, "Forwarded", "Host", "Authorization", "Cookie", "Connection", "Content-Length", "Transfer-Encoding":
		return true
	}
	return false
}

// validField reports whether name is a token (RFC 9110, section 5.1).
func validField(name string) bool {
	for i := range len(name) {
		if classes[name[i]]&tokenByte == 0 {
			return false
		}
	}
	return name != ""
}
