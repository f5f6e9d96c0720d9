package config

import (
	"time"

	"github.com/warder-dev/warder/secret"
)

// TLS says how the gateway's listener speaks TLS.
type TLS struct {
	// Certificates are pairs of files, read again when they change. The one whose names have the server name that a client asks for is shown; the first one to clients that ask for none of them. Default: none, plain HTTP.
	Certificates []Certificate `yaml:"certificates"`
	// ACME gets certificates from an authority by itself. Default: none.
	ACME *ACME `yaml:"acme"`
	// ClientCAFile is the path of a PEM file with the authorities that may sign client certificates. Default: none, they are not asked for.
	ClientCAFile string `yaml:"client_ca_file"`
	// ClientAuth is whether a client needs a certificate: request verifies one that is shown, require refuses who shows none. Only with client_ca_file. Default request.
	ClientAuth string `yaml:"client_auth" default:"request" enum:"request|require"`
	// StrictNames refuses clients that ask for a server name that no certificate has, or for none. Default false.
	StrictNames bool `yaml:"strict_names" default:"false"`
	// StrictFiles refuses to start with a key that other users of the machine may read; otherwise that is a warning. Default false.
	StrictFiles bool `yaml:"strict_files" default:"false"`
	// HTTP3 serves HTTP/3 on the UDP port of listen as well, and tells clients so; https.port is the port as they see it. Not together with proxy_protocol. Default false.
	HTTP3 bool `yaml:"http3" default:"false"`
	// RedirectListen is the address (host:port) of one more listener, of plain HTTP: it sends what comes there to https, and answers ACME's HTTP-01. Default: none.
	RedirectListen string `yaml:"redirect_listen"`
}

// A Certificate is a pair of PEM files.
type Certificate struct {
	// CertFile is the path of the certificate with those that signed it, the own one first. Required.
	CertFile string `yaml:"cert_file" jsonschema:"required"`
	// KeyFile is the path of its private key. Required.
	KeyFile string `yaml:"key_file" jsonschema:"required"`
}

// ACME says whom certificates are got from (RFC 8555), and for which names.
type ACME struct {
	// Names are the host names to get certificates for at once; with dns_command also wildcards such as *.example.com. Required unless on_demand is given.
	Names []string `yaml:"names"`
	// OnDemand are further host names, each in full, whose certificates are got when the first client asks for them; nothing is ever asked for a name in neither list. Default: none.
	OnDemand []string `yaml:"on_demand"`
	// Email is where the authority writes when a certificate is about to expire. Default: none.
	Email string `yaml:"email"`
	// Directory is the URL of the authority's directory. Default: that of Let's Encrypt.
	Directory string `yaml:"directory"`
	// CAFile is the path of a PEM file with the authorities that may sign the directory's own certificate. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// Folder is the path of the folder that keeps accounts and certificates. Default ./acme.
	Folder string `yaml:"folder" default:"./acme"`
	// DNSCommand is a program, by its absolute path, with arguments: it publishes and takes away the records by which the DNS proves the names, and then nothing else does (DNS-01). It is run as "PROGRAM ARG... present NAME VALUE" and "... cleanup NAME VALUE", and need not wait until the record is seen. With it names may be wildcards. Default: none.
	DNSCommand []string `yaml:"dns_command"`
	// DNSTimeout is how long one run of dns_command may take, 1s to 1h; taking a record away 30s at most. Default 2m.
	DNSTimeout time.Duration `yaml:"dns_timeout" default:"2m" min:"1s" max:"1h"`
	// DNSResolvers are the DNS servers that are asked whether a record of dns_command is there, before the authority is: addresses, with a port where that is not 53. Default: the servers of the record's own zone, which the resolvers of this machine name.
	DNSResolvers []string `yaml:"dns_resolvers"`
	// DNSDelay is how long after dns_command the record is looked for first. Default 0s.
	DNSDelay time.Duration `yaml:"dns_delay" default:"0s" min:"0s" max:"1h"`
	// DNSWait is how long the record is looked for; when it is not there then, the authority is not asked, and that is a failure. 0s looks for nothing: dns_command must end only when the record can be seen. 0s, or 1s to 1h. Default 2m.
	DNSWait time.Duration `yaml:"dns_wait" default:"2m" min:"0s" max:"1h"`
	// AgreeToTerms says that the operator agrees to the authority's terms. Required.
	AgreeToTerms bool `yaml:"agree_to_terms" default:"false"`
}

// Forwarded says who is believed about where a request comes from.
type Forwarded struct {
	// From is what the listed proxies write: nothing, X-Forwarded-For, Forwarded (RFC 7239), or one address in header. Default direct.
	From string `yaml:"from" default:"direct" enum:"direct|x-forwarded-for|forwarded|header"`
	// Header is the field with one address, such as CF-Connecting-IP. Only, and required, with header. Default: none.
	Header string `yaml:"header"`
	// TrustedProxies lists the addresses and networks of the proxies that are believed. Required unless from is direct.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// TrustUnixSocket believes who connects by a Unix socket. Default false.
	TrustUnixSocket bool `yaml:"trust_unix_socket" default:"false"`
	// Proto believes the proxies about the scheme: X-Forwarded-Proto, or proto of Forwarded. Default false.
	Proto bool `yaml:"proto" default:"false"`
	// Host believes the proxies about the host: X-Forwarded-Host, or host of Forwarded. Default false.
	Host bool `yaml:"host" default:"false"`
	// ClientCertHeader is the field in which the proxies forward a client certificate that they verified, as percent-encoded PEM. Default: none.
	ClientCertHeader string `yaml:"client_cert_header"`
	// InsecureTrustAll accepts trusted_proxies that hold everybody. It costs: every client chooses its own address. Default false.
	InsecureTrustAll bool `yaml:"insecure_trust_all" default:"false"`
}

// HTTPS says what becomes of plain HTTP.
type HTTPS struct {
	// Require redirects plain HTTP to https, and refuses with 403 what carries a credential. Behind a proxy that ends TLS it needs forwarded.proto. Default false.
	Require bool `yaml:"require" default:"false"`
	// OnExposedKey is what becomes of an API key that comes over plain HTTP, where it may have been read: refuse refuses that request; disable also disables the key, if it is a good one, until it is enabled again. Only with require. Default refuse.
	OnExposedKey string `yaml:"on_exposed_key" default:"refuse" enum:"refuse|disable"`
	// GetStatus is the status of redirects of GET and HEAD: 308 keeps method and body of others too. Default 308.
	GetStatus int `yaml:"get_status" default:"308" min:"301" max:"308"`
	// Port is the port of https in redirects, 1 to 65535. Default 443.
	Port int `yaml:"port" default:"443" min:"1" max:"65535"`
	// HSTS is for how long browsers use https only (RFC 6797), 0s to 1095d; 0s means that they are not told. Default 0s.
	HSTS time.Duration `yaml:"hsts" default:"0s" min:"0s" max:"1095d"`
	// HSTSSubdomains is for all hosts below too. Default false.
	HSTSSubdomains bool `yaml:"hsts_subdomains" default:"false"`
	// HSTSPreload lets browsers come with it built in; it needs hsts of 365d and hsts_subdomains. Default false.
	HSTSPreload bool `yaml:"hsts_preload" default:"false"`
}

// Headers are fields that every answer gets unless the upstream has set them.
type Headers struct {
	// ContentSecurityPolicy is that field; "off" means none. Default off.
	ContentSecurityPolicy string `yaml:"content_security_policy" default:"off"`
	// FrameOptions says who may frame an answer; "off" means that the field is not set. Default DENY.
	FrameOptions string `yaml:"frame_options" default:"DENY" enum:"DENY|SAMEORIGIN|off"`
	// ReferrerPolicy is that field; "off" means none. Default strict-origin-when-cross-origin.
	ReferrerPolicy string `yaml:"referrer_policy" default:"strict-origin-when-cross-origin"`
	// PermissionsPolicy is that field; "off" means none. Default off.
	PermissionsPolicy string `yaml:"permissions_policy" default:"off"`
	// CrossOriginResourcePolicy says who may embed an answer; "off" means that the field is not set. Default off.
	CrossOriginResourcePolicy string `yaml:"cross_origin_resource_policy" default:"off" enum:"same-origin|same-site|cross-origin|off"`
	// CrossOriginOpenerPolicy says which windows a page shares its group with; "off" means that the field is not set. Default off.
	CrossOriginOpenerPolicy string `yaml:"cross_origin_opener_policy" default:"off" enum:"same-origin|same-origin-allow-popups|noopener-allow-popups|unsafe-none|off"`
	// CrossOriginEmbedderPolicy says what a page may embed; "off" means that the field is not set. Default off.
	CrossOriginEmbedderPolicy string `yaml:"cross_origin_embedder_policy" default:"off" enum:"require-corp|credentialless|unsafe-none|off"`
	// Remove lists fields of the upstream that clients do not get, such as Server. Default: none.
	Remove []string `yaml:"remove"`
}

// A CORSPolicy says which origins' scripts may read answers.
type CORSPolicy struct {
	// Origins lists them: "https://app.example.com", "https://*.example.com" for every host below, or "*" alone for everybody, without credentials. Required.
	Origins []string `yaml:"origins" jsonschema:"required"`
	// Credentials lets scripts send cookies. Default false.
	Credentials bool `yaml:"credentials" default:"false"`
	// Methods lists those beyond GET, HEAD and POST. Default: none.
	Methods []string `yaml:"methods"`
	// RequestHeaders lists fields that scripts may set, such as Content-Type, X-API-Key and Authorization. Default: none.
	RequestHeaders []string `yaml:"request_headers"`
	// ExposedHeaders lists fields of answers that scripts may read. Default: none.
	ExposedHeaders []string `yaml:"exposed_headers"`
	// MaxAge is for how long browsers remember a preflight's answer, 0s to 1d. Default 10m.
	MaxAge time.Duration `yaml:"max_age" default:"10m" min:"0s" max:"1d"`
	// PrivateNetwork lets public pages reach an API in a private network. Default false.
	PrivateNetwork bool `yaml:"private_network" default:"false"`
	// Preflight is what becomes of the question that browsers ask before a request: answer answers it, pass sends it to the upstream like other requests, on routes that need no credential. What the answer says of CORS is this policy's in any case. Default answer.
	Preflight string `yaml:"preflight" default:"answer" enum:"answer|pass"`
	// Explain logs why each permission was withheld, and what would give it, for as long as somebody looks for a mistake: it puts header fields of requests into the log. Default false.
	Explain bool `yaml:"explain" default:"false"`
	// Shadow counts and logs what would be withheld, and withholds nothing. Default false.
	Shadow bool `yaml:"shadow" default:"false"`
	// InsecureHTTPOrigins accepts origins of plain HTTP together with credentials. It costs: whoever is on the way is that origin. Default false.
	InsecureHTTPOrigins bool `yaml:"insecure_http_origins" default:"false"`
}

// CSRF says what proves that a request with a cookie comes from the site itself.
// It is always on for credentials that browsers send by themselves.
type CSRF struct {
	// Keys sign tokens: lines of 32 bytes or more in base64, the current first. Default: one is made at each start.
	Keys secret.Text `yaml:"keys"`
	// TrustedOrigins lists other origins whose pages may act for the user, such as https://app.example.com. Default: none.
	TrustedOrigins []string `yaml:"trusted_origins"`
	// Lifetime is for how long a token holds, 1m to 7d. Default 12h.
	Lifetime time.Duration `yaml:"lifetime" default:"12h" min:"1m" max:"7d"`
	// Header is the field in which a script sends its token. Default X-CSRF-Token.
	Header string `yaml:"header" default:"X-CSRF-Token"`
	// Field is the name of a form's field with the token. Default csrf_token.
	Field string `yaml:"field" default:"csrf_token"`
	// Cookie gives whoever is known by a cookie, HTTP Basic or a client certificate a token in the cookie __Host-csrf, which scripts and the upstream can read. It proves nothing by itself. Not together with decision.listen. Default false.
	Cookie bool `yaml:"cookie" default:"false"`
	// Shadow counts and logs what would be refused, and lets it pass. Default false.
	Shadow bool `yaml:"shadow" default:"false"`
}

// ProxyProtocol says which peers begin with a PROXY line (version 1 or 2).
type ProxyProtocol struct {
	// TrustedPeers lists the addresses and networks of load balancers that send it; they must. From others it is refused. Default: none, nobody sends it.
	TrustedPeers []string `yaml:"trusted_peers"`
}
