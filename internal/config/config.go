// Package config turns a file, the environment and flags into one typed
// [Config], and reports everything that is wrong at once, each with its place.
//
// A flag wins over the environment, the environment over the file, the file
// over the default. What a value of the environment or a secret is never occurs
// in an error or in [Config.Print].
package config

import (
	"math"
	"time"

	"github.com/warder-dev/warder/secret"
)

// Config is the effective configuration. [Load] returns it checked and whole:
// Upstreams and Routes are filled even if only the shorthand Upstream was given.
// It must not be changed and then is safe for concurrent use.
type Config struct {
	// Listen is the address (host:port) on which the gateway serves, or unix:/path for a Unix socket, to which its owner and group may connect. An empty host means all interfaces. Default 127.0.0.1:8080.
	Listen string `yaml:"listen" default:"127.0.0.1:8080"`
	// InsecureH2C also speaks HTTP/2 without TLS, to clients that begin with it, such as those of gRPC. Not with TLS, which has HTTP/2 anyway. A change needs a restart. It costs: what is said can be read and changed on the way, and whoever stands in front and takes the connection for HTTP/1.1 does not see its requests. Default false.
	InsecureH2C bool `yaml:"insecure_h2c" default:"false"`
	// AdminListen is the address (host:port) of the admin listener; "off" means none. It must be a loopback address unless insecure_admin_listen is set. Default 127.0.0.1:8081.
	AdminListen string `yaml:"admin_listen" default:"127.0.0.1:8081"`
	// AdminPage serves the admin web page below /ui/ of the admin listener, to people who have an account. Default true.
	AdminPage bool `yaml:"admin_page" default:"true"`
	// HealthListen is the address (host:port) of one more listener that serves nothing but the health probes; "off" means none. Default: none.
	HealthListen string `yaml:"health_listen"`
	// InsecureAdminListen lets the admin listener use an address that is not loopback. It costs: whoever reaches the network reaches the door behind which keys are issued. Default false.
	InsecureAdminListen bool `yaml:"insecure_admin_listen" default:"false"`
	// TLS says how the gateway's listener speaks TLS. Default: plain HTTP.
	TLS TLS `yaml:"tls"`
	// ProxyProtocol says which peers begin with a PROXY line.
	ProxyProtocol ProxyProtocol `yaml:"proxy_protocol"`
	// Decision lets other proxies ask whether a request may pass.
	Decision Decision `yaml:"decision"`
	// Listeners are further places where the gateway serves the same routes, by name (as those of upstreams), with names, believed proxies and answers of their own. Limits, guards and credits are counted over all of them. At most 32. Default: none beside listen.
	Listeners map[string]Listener `yaml:"listeners"`
	// Hosts are the names that the gateway answers to: "api.example.com", "*.example.com" for one label, with ":8443" for that port alone. Others are 421. At most 10,000. Default: every name.
	Hosts []string `yaml:"hosts"`
	// HostsShadow counts and logs requests for hosts that are not listed, and lets them pass; no redirect leads to such a host. Default false.
	HostsShadow bool `yaml:"hosts_shadow" default:"false"`
	// Forwarded says who is believed about where a request comes from.
	Forwarded Forwarded `yaml:"forwarded"`
	// HTTPS says what becomes of plain HTTP.
	HTTPS HTTPS `yaml:"https"`
	// Headers are fields that every answer gets unless the upstream has set them.
	Headers Headers `yaml:"headers"`
	// CORS are policies for scripts of other origins, by the names that routes use (as those of upstreams). The one called default is for every route that names none.
	CORS map[string]CORSPolicy `yaml:"cors"`
	// CSRF says what proves that a request with a cookie comes from the site itself.
	CSRF CSRF `yaml:"csrf"`
	// DB is the path of the SQLite file that holds the keys, or the address of a PostgreSQL database that many nodes share: postgres://user@host/database. Default ./warder.db.
	DB string `yaml:"db" default:"./warder.db"`
	// Postgres says more of a database that db names by an address.
	Postgres Postgres `yaml:"postgres"`
	// Upstream is shorthand for one upstream and one route "/" that wants a key: the http or https URL of the protected API. Not together with upstreams or routes.
	Upstream string `yaml:"upstream"`
	// OpenAPI is shorthand for one document of openapi_documents, together with upstream: the file or URL of its OpenAPI document. Its operations take the place of the route "/". Default: none.
	OpenAPI string `yaml:"openapi"`
	// Peppers say where the peppers (secrets that are mixed into each key's digest) are.
	Peppers Peppers `yaml:"peppers"`
	// Holder says whether the holder of a key may look at it, roll and revoke it. Default: not.
	Holder Holder `yaml:"holder"`
	// Portal serves pages on which the holders of keys see and change their own. Default: there are none.
	Portal Portal `yaml:"portal"`
	// Tokens say how short-lived tokens are made from keys. Default: none are made.
	Tokens Tokens `yaml:"tokens"`
	// Audit says how the log of what was changed is signed.
	Audit Audit `yaml:"audit"`
	// Keys say how keys look, where requests carry them, and how they are cached.
	Keys Keys `yaml:"keys"`
	// Log says where and what warder logs.
	Log Log `yaml:"log"`
	// Limits bound what one request, and all together, may take.
	Limits Limits `yaml:"limits"`
	// RateLimits bound how much each client may send, by the names that routes use (as those of upstreams, up to 40 characters). At most 256.
	RateLimits map[string]RateLimit `yaml:"rate_limits"`
	// DefaultRateLimits lists the limits of all requests: of each route besides its own, and, for those that count before anybody is asked for a credential, also of requests that no route matches. Default: none.
	DefaultRateLimits []string `yaml:"default_rate_limits"`
	// RateLimitDomains are limits that Envoy asks about by its rate limit protocol, where decision.dialect is envoy. At most 64. Default: none.
	RateLimitDomains []RateLimitDomain `yaml:"rate_limit_domains"`
	// RateLimitFields says how clients are told what they have left: by RateLimit and RateLimit-Policy, by X-RateLimit-Limit, -Remaining and -Reset, by both, or not at all. Default standard.
	RateLimitFields string `yaml:"rate_limit_fields" default:"standard" enum:"standard|legacy|both|off"`
	// Redis is the server by which nodes share limits.
	Redis Redis `yaml:"redis"`
	// BruteForce says how those are slowed down whose credentials were wrong.
	BruteForce BruteForce `yaml:"brute_force"`
	// RateLimitBypass lists whom no limit counts.
	RateLimitBypass RateLimitBypass `yaml:"rate_limit_bypass"`
	// Timeouts bound how long each part of a request may last.
	Timeouts Timeouts `yaml:"timeouts"`
	// Schemes are the ways to prove who asks, by the names that routes and OpenAPI use (letters, digits and ._-). apiKey is always there: the header of keys, unless it is given here. At most 64.
	Schemes map[string]Scheme `yaml:"schemes"`
	// Security is what every route asks for that does not say otherwise: a list of alternatives, each a set of schemes with the scopes that are needed; {} at the end makes it optional. Default: [{apiKey: []}].
	Security []Alternative `yaml:"security"`
	// Credits say what requests cost, and whose credits they spend. Default: nothing costs any.
	Credits Credits `yaml:"credits"`
	// Usage says how requests are counted by key and route.
	Usage Usage `yaml:"usage"`
	// InsecureVerbose tells clients why their credential was refused: the word of the log, such as revoked, expired or unknown. It costs: whoever tries keys learns which exist. Default false.
	InsecureVerbose bool `yaml:"insecure_verbose" default:"false"`
	// Tracing says where what requests spend their time on is posted to. Default: nowhere.
	Tracing Tracing `yaml:"tracing"`
	// Users are the people who may log in by name and password.
	Users Users `yaml:"users"`
	// Passwords say what a new password of theirs, and of those who administer, must not be.
	Passwords Passwords `yaml:"passwords"`
	// Session says how people log in, and for how long.
	Session Session `yaml:"session"`
	// Webhooks are addresses that are told what happens, by name (as those of upstreams). At most 32. Default: nobody is told.
	Webhooks map[string]Webhook `yaml:"webhooks"`
	// Identity is what warder tells upstreams, signed.
	Identity Identity `yaml:"identity"`
	// Leaks say who may report keys that were found where others can read them, and what becomes of such keys.
	Leaks Leaks `yaml:"leaks"`
	// Upstreams are the protected APIs by name (1 to 63 lower case letters, digits, "-" and "_", the first a letter or digit). At most 4,096.
	Upstreams map[string]Upstream `yaml:"upstreams"`
	// Routes say which requests go to which upstream and what they need. The most specific pattern wins; order does not matter. What no route matches is refused. At most 10,000.
	Routes []Route `yaml:"routes"`
	// OpenAPIDocuments are documents that are policy: their operations are routes beside those of routes. At most 64.
	OpenAPIDocuments []OpenAPIDocument `yaml:"openapi_documents"`

	origins map[string]origin // by field path, for Print
}

// Peppers say where the peppers are: a file or a value, not both.
type Peppers struct {
	// File is the path of the file of peppers, one per line. Default: the path of db with ".peppers" appended, ./warder.peppers for a PostgreSQL database, unless value is given; then empty.
	File string `yaml:"file"`
	// Value holds the peppers themselves, lines or commas: "${VARIABLE}" or "file:/path", never the peppers as text in this file. Default: none.
	Value secret.Text `yaml:"value"`
	// InsecureMode accepts a file of peppers that other users of the machine own or may read. It costs: they can then check guesses of keys against a stolen database. Default false.
	InsecureMode bool `yaml:"insecure_mode" default:"false"`
}

// Keys say how keys look, where requests carry them, and how they are cached.
type Keys struct {
	// Prefix is the first part of each new key: 1 to 16 lower case letters and digits, a letter first. Default wrd.
	Prefix string `yaml:"prefix" default:"wrd"`
	// Header is the name of the request header field that carries the key: a token (RFC 9110, section 5.6.2) that has no other meaning. Default X-API-Key.
	Header string `yaml:"header" default:"X-API-Key"`
	// Realm names the protected area in challenges (RFC 9110, section 11.5): 1 to 64 printable ASCII characters without quote and backslash. Default warder.
	Realm string `yaml:"realm" default:"warder"`
	// CacheSize is the number of keys kept in memory, 0 to 10,000,000; 0 means none. Default 100000.
	CacheSize int `yaml:"cache_size" default:"100000" min:"0" max:"10000000"`
	// Freshness is the longest time for which a key from memory is believed when the store cannot confirm it, 1s to 1h. Default 5s.
	Freshness time.Duration `yaml:"freshness" default:"5s" min:"1s" max:"1h"`
	// LegacyFormats lists the forms in which keys of other systems were imported: text, sha256, sha512. Texts that are no keys of warder are looked up then, by their digests. Default: none.
	LegacyFormats []string `yaml:"legacy_formats" enum:"text|sha256|sha512"`
	// DefaultTTL is the lifetime of new keys for which none is given, 1m to 36600d; 0s means that they do not expire. Default 0s.
	DefaultTTL time.Duration `yaml:"default_ttl" default:"0s" min:"0s" max:"36600d"`
	// MaxTTL is the longest lifetime that a key may be given, 1m to 36600d and not less than default_ttl; every key needs one then. 0s means no bound. Default 0s.
	MaxTTL time.Duration `yaml:"max_ttl" default:"0s" min:"0s" max:"36600d"`
	// MaxSecrets is how many secrets a key may have at once: the current one, and those that a roll lets work on for a while. 1 to 10. Default 3.
	MaxSecrets int `yaml:"max_secrets" default:"3" min:"1" max:"10"`
	// InsecureFollowRestored goes on when the database lacks changes that this node has seen: an older backup was restored, or a standby took over without the last ones. It costs: keys that were revoked since, and administrators who were removed, are let in again. Default false.
	InsecureFollowRestored bool `yaml:"insecure_follow_restored" default:"false"`
}

// Log says where and what warder logs.
type Log struct {
	// File is the path of the log file; empty means standard error. Default: empty.
	File string `yaml:"file"`
	// Format is the form of each line: "auto" means text on a terminal and json elsewhere. Default auto.
	Format string `yaml:"format" default:"auto" enum:"auto|json|text"`
	// Level is the least level that is logged. Default info.
	Level string `yaml:"level" default:"info" enum:"debug|info|warn|error"`
	// Path says what the access log shows of a request's path: the pattern of its route, the path with credential-like segments masked, or nothing. Default masked.
	Path string `yaml:"path" default:"masked" enum:"route|masked|off"`
}

// Limits bound what one request, and all together, may take.
type Limits struct {
	// HeaderBytes is the largest size of a request's header section in bytes, 4KiB to 1MiB. Default 64KiB.
	HeaderBytes Size `yaml:"header_bytes" default:"64KiB" min:"4KiB" max:"1MiB"`
	// TargetBytes is the longest request target (path and query) in bytes, 256 to 64KiB. Default 8KiB.
	TargetBytes Size `yaml:"target_bytes" default:"8KiB" min:"256" max:"64KiB"`
	// BodyBytes is the largest request body in bytes, 1 or more, or "unlimited". Default 10MiB.
	BodyBytes Size `yaml:"body_bytes" default:"10MiB" min:"1" max:"unlimited"`
	// Connections is the largest number of client connections open at once, 0 to 1,000,000; 0 means no limit of warder's own. Default 0.
	Connections int `yaml:"connections" default:"0" min:"0" max:"1000000"`
	// Viewers is the largest number of people and programs that watch decisions live at once, each over a connection to the admin listener, 1 to 10,000. Default 100.
	Viewers int `yaml:"viewers" default:"100" min:"1" max:"10000"`
	// ViewersEach is the largest number of those that one person or admin key has, or all that act for one owner, 1 to 10,000. Default 10.
	ViewersEach int `yaml:"viewers_each" default:"10" min:"1" max:"10000"`
}

// Timeouts bound how long each part of a request may last.
type Timeouts struct {
	// Header is the time to read a request's header section, 100ms to 10m. Default 10s.
	Header time.Duration `yaml:"header" default:"10s" min:"100ms" max:"10m"`
	// Idle is how long a connection without a request stays open, 1s to 1h. Default 120s.
	Idle time.Duration `yaml:"idle" default:"120s" min:"1s" max:"1h"`
	// BodyIdle is the longest pause within a request body, 100ms to 10m. Default 30s.
	BodyIdle time.Duration `yaml:"body_idle" default:"30s" min:"100ms" max:"10m"`
	// Write is the time for one write to the client, renewed by each, 100ms to 10m. Default 30s.
	Write time.Duration `yaml:"write" default:"30s" min:"100ms" max:"10m"`
	// Connect is the time to connect to an upstream, TLS included, 10ms to 5m. Default 5s.
	Connect time.Duration `yaml:"connect" default:"5s" min:"10ms" max:"5m"`
	// Response is the time until an upstream's response header arrives, 10ms to 1d. Default 60s.
	Response time.Duration `yaml:"response" default:"60s" min:"10ms" max:"1d"`
	// Stream is the longest life of a stream (WebSocket, event stream, gRPC, an answer of unknown length that lasts over a minute), 0s to 366d; 0s means no limit. Default 0s.
	Stream time.Duration `yaml:"stream" default:"0s" min:"0s" max:"366d"`
	// ShutdownDelay is how long connections are still accepted after a stop was asked for, while readiness fails already and each answer ends its connection, so that a balancer in front notices in time, 0s to 10m. Default 0s.
	ShutdownDelay time.Duration `yaml:"shutdown_delay" default:"0s" min:"0s" max:"10m"`
	// Drain is how long requests in progress may go on after a stop was asked for, 0s to 1h. Default 30s.
	Drain time.Duration `yaml:"drain" default:"30s" min:"0s" max:"1h"`
	// Store is the time for one question to the key store, 10ms to 1m. Default 2s.
	Store time.Duration `yaml:"store" default:"2s" min:"10ms" max:"1m"`
}

// An Upstream is one protected API.
type Upstream struct {
	// URL is where it is: http or https, host, optional port, and an optional path that is put before each request's path. Without user information, query and fragment. Required.
	URL string `yaml:"url" jsonschema:"required"`
	// PreserveHost sends the client's Host on; false sends the URL's. Default true.
	PreserveHost bool `yaml:"preserve_host" default:"true"`
	// CAFile is the path of a PEM file with the authorities that may sign the upstream's certificate, instead of the system's. Only with https. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// ServerName is the name that the upstream's certificate must bear, and that is sent as SNI (RFC 6066, section 3). Only with https. Default: the URL's host.
	ServerName string `yaml:"server_name"`
	// Identity is how the upstream is told who asks: by header fields, or by a token (JWT) in X-Warder-Identity that warder signs for it alone, beside them. Default headers.
	Identity string `yaml:"identity" default:"headers" enum:"headers|jwt"`
	// Audience is the aud of those tokens. Only with jwt. Default: the upstream's name.
	Audience string `yaml:"audience"`
	// Credential is sent to the upstream in place of the client's, such as "Bearer abc". Default: none.
	Credential secret.Text `yaml:"credential"`
	// CredentialHeader is the field that carries it. Only with credential. Default Authorization.
	CredentialHeader string `yaml:"credential_header"`
	// CertFile is the path of a PEM file with warder's own certificate for the upstream, KeyFile of its key: both or neither. Only with https. Default: none.
	CertFile string `yaml:"cert_file"`
	// KeyFile is the path of a PEM file with the key of cert_file.
	KeyFile string `yaml:"key_file"`
	// NoReuseAfterBody closes the connection after each request with a body: for an upstream that may answer without reading it. It costs a connection for each. Default false.
	NoReuseAfterBody bool `yaml:"no_reuse_after_body" default:"false"`
	// InsecureSkipVerify accepts any certificate. It costs: whoever is between warder and the upstream can read and change everything. Only with https. Default false.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify" default:"false"`
}

// A Route says where the requests that match go and what they need.
type Route struct {
	// Match is a pattern "[METHOD ][HOST]/PATH" of net/http's ServeMux, such as "GET /orders/{id}" or "api.example.com/", with parameters also within a segment, such as "/files/{name}.json". Required.
	Match string `yaml:"match" jsonschema:"required"`
	// Upstream is the name of the upstream to which matching requests go. Required, unless decision.listen is given: then a route may be for proxies alone.
	Upstream string `yaml:"upstream"`
	// Scopes are what the credential must grant, all of them, such as "orders:read"; without "*". Not together with security. Default: none, any valid credential will do.
	Scopes []string `yaml:"scopes"`
	// Security is what the route asks for; see the top level's. Default: the top level's, with scopes added to each scheme.
	Security []Alternative `yaml:"security"`
	// Conditions are rules beyond scopes. Default: none.
	Conditions []Condition `yaml:"conditions"`
	// RateLimits lists the limits of the route besides those for all; "off" in it takes these away. Default: none.
	RateLimits []string `yaml:"rate_limits"`
	// Cost is what one request counts in each of its limits, instead of what they say; 1 to their burst. Default: what they say.
	Cost int `yaml:"cost" min:"0" max:"1000000000"`
	// Credits say what requests of the route cost. Default: what the top level's credits say.
	Credits *RouteCredits `yaml:"credits"`
	// Public lets requests pass without a credential. Not together with scopes and security. Default false.
	Public bool `yaml:"public" default:"false"`
	// PublicKeys takes keys of the kind public too, which anybody can read in a page: they are good for requests from pages of their own origins. Not together with public. Default false, they are 403.
	PublicKeys bool `yaml:"public_keys" default:"false"`
	// CORS is the name of the policy for scripts of other origins; "off" means none. Default: the one called default, if there is one.
	CORS string `yaml:"cors"`
	// Headers are the fields of this route's answers; what is not given in it is that of the top level's. Default: the top level's.
	Headers *RouteHeaders `yaml:"headers"`
	// CSRF says what else proves that a request of this route comes from the site itself. Not together with public. Default: what the top level's csrf says.
	CSRF *RouteCSRF `yaml:"csrf"`
	// BodyBytes is the largest request body in bytes on this route, 1 or more, or "unlimited". Default: that of limits.
	BodyBytes Size `yaml:"body_bytes" min:"1" max:"unlimited"`
	// Allow lists ambiguous forms of paths that this route accepts: resolve (dot segments), merge (empty segments), matrix (path parameters), encoded_slash; where proxies ask by decision.listen, the last alone. Default: none, they are refused.
	Allow []string `yaml:"allow" enum:"resolve|merge|matrix|encoded_slash"`
	// StripPrefix is taken off the front of the path before it goes to the upstream: "/" and segments, no "/" at the end; the path of match must begin with it. Default: empty.
	StripPrefix string `yaml:"strip_prefix"`
}

// Size is a number of bytes. In text it is a number with an optional unit: B,
// KB, MB, GB (powers of 1000), KiB, MiB, GiB (powers of 1024); or "unlimited"
// where the field says so.
type Size int64

// Unlimited is the size that no body reaches.
const Unlimited Size = math.MaxInt64

// AdminOff is the value of [Config.AdminListen] that means no admin listener.
const AdminOff = Off

// Off is the value that means none, where a field says so.
const Off = "off"

// DefaultCORS is the name in [Config.CORS] of the policy of routes that name none.
const DefaultCORS = "default"

// IdentityJWT is the value of [Upstream.Identity] that means a signed token.
const IdentityJWT = "jwt"

// DefaultUpstream is the name in [Config.Upstreams] that the shorthand
// [Config.Upstream] gets.
const DefaultUpstream = "default"
