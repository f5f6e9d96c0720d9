package problem

import "net/http"

// A Type names one kind of refusal. Its text is stable: clients may branch on
// it. Each Type has one status and one owner (ARCHITECTURE: "each status has
// one owner").
type Type string

// The types of problems, by status.
const (
	MalformedRequest  Type = "malformed-request"      // 400, httpserver: fields contradict each other
	InvalidTarget     Type = "invalid-target"         // 400, edge: the target has two readings
	InvalidHost       Type = "invalid-host"           // 400, edge: no usable Host
	InvalidForwarded  Type = "invalid-forwarded"      // 400, edge: a listed proxy forwards what has two readings
	InvalidCredential Type = "invalid-credential"     // 400, authn: a repeated or unreadable credential
	InvalidBody       Type = "invalid-body"           // 400, validate and upstream: the body cannot be read as what it says it is
	InvalidParameters Type = "invalid-parameters"     // 400, validate: parameters that the API's document does not allow
	InvalidInput      Type = "invalid-input"          // 400, key service: parameters or members that it does not take; errors names them
	Unauthorized      Type = "unauthorized"           // 401, authn: no credential, or one that does not hold
	InsufficientScope Type = "insufficient-scope"     // 403, authn and authz
	Forbidden         Type = "forbidden"              // 403, authz: a condition of the route does not hold
	CrossSite         Type = "cross-site-request"     // 403, csrf: nothing proves that the site itself sent it
	HTTPSRequired     Type = "https-required"         // 403, edge: a credential came over plain HTTP
	FreshLogin        Type = "fresh-login-required"   // 403, account/login and the key service: the login was too long ago
	NotFound          Type = "not-found"              // 404, route
	MethodNotAllowed  Type = "method-not-allowed"     // 405, route
	BodyTimeout       Type = "body-timeout"           // 408, httpserver: the body stopped coming
	Conflict          Type = "conflict"               // 409, key service: what is asked for contradicts what there is
	LinkGone          Type = "link-gone"              // 410, account/login: a set-up link was used or has expired
	ChangedMeanwhile  Type = "changed-meanwhile"      // 412, key service: If-Match names another state than the present one
	BodyTooLarge      Type = "body-too-large"         // 413, bodylimit
	TargetTooLong     Type = "target-too-long"        // 414, edge
	UnsupportedMedia  Type = "unsupported-media"      // 415, validate: a body in a form that the API's document does not name
	NotJSON           Type = "not-json"               // 415, key service: a body that is no JSON, or compressed
	Misdirected       Type = "misdirected-request"    // 421, edge: a host that is not served here
	InvalidContent    Type = "invalid-content"        // 422, validate: a body that can be read, and is not what the API's document says
	ReusedKey         Type = "idempotency-key-reused" // 422, key service: the Idempotency-Key came with another request before
	IfMatchRequired   Type = "if-match-required"      // 428, key service: a change wants If-Match
	RateLimited       Type = "rate-limited"           // 429, ratelimit: too many requests
	LoginThrottled    Type = "login-throttled"        // 429, session/password: too many wrong passwords
	CreditsExhausted  Type = "credits-exhausted"      // 429, usage: no credits are left
	Internal          Type = "internal"               // 500, recover
	UpstreamFailed    Type = "upstream-failed"        // 502, upstream
	Unavailable       Type = "unavailable"            // 503: a store gave no answer
	UpstreamTimeout   Type = "upstream-timeout"       // 504, upstream
)

// base is where each type is documented: RFC 9457, section 3.1.1 wants an
// absolute URI that leads to human-readable text.
const base = "https://github.com/warder-dev/warder/blob/main/docs/reference/problems.md#"

// All returns every type in order of status, for the reference page.
func All() []Type {
	return []Type{
		MalformedRequest, InvalidTarget, InvalidHost, InvalidForwarded, InvalidCredential, InvalidBody, InvalidParameters, InvalidInput, Unauthorized,
		InsufficientScope, Forbidden, CrossSite, HTTPSRequired, FreshLogin, NotFound,
		MethodNotAllowed, BodyTimeout, Conflict, LinkGone, ChangedMeanwhile, BodyTooLarge, TargetTooLong, UnsupportedMedia, NotJSON, Misdirected,
		InvalidContent, ReusedKey, IfMatchRequired, RateLimited, LoginThrottled, CreditsExhausted, Internal, UpstreamFailed,
		Unavailable, UpstreamTimeout,
	}
}

// URI returns the problem type's URI (RFC 9457, section 3.1.1).
func (t Type) URI() string { return base + string(t) }

// Status returns the HTTP status code of t; 500 for a Type that is not listed
// above, so that a typing error never becomes a success.
func (t Type) Status() int {
	switch t {
	case MalformedRequest, InvalidTarget, InvalidHost, InvalidForwarded, InvalidCredential, InvalidBody, InvalidParameters, InvalidInput:
		return http.StatusBadRequest
	case Unauthorized:
		return http.StatusUnauthorized
	case InsufficientScope, Forbidden, CrossSite, HTTPSRequired, FreshLogin:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case BodyTimeout:
		return http.StatusRequestTimeout
	case Conflict:
		return http.StatusConflict
	case ChangedMeanwhile:
		return http.StatusPreconditionFailed
	case NotJSON:
		return http.StatusUnsupportedMediaType
	case ReusedKey:
		return http.StatusUnprocessableEntity
	case IfMatchRequired:
		return http.StatusPreconditionRequired
	case LinkGone:
		return http.StatusGone
	case BodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case TargetTooLong:
		return http.StatusRequestURITooLong
	case UnsupportedMedia:
		return http.StatusUnsupportedMediaType
	case Misdirected:
		return http.StatusMisdirectedRequest
	case InvalidContent:
		return http.StatusUnprocessableEntity
	case RateLimited, LoginThrottled, CreditsExhausted:
		return http.StatusTooManyRequests
	case UpstreamFailed:
		return http.StatusBadGateway
	case Unavailable:
		return http.StatusServiceUnavailable
	case UpstreamTimeout:
		return http.StatusGatewayTimeout
	case Internal:
		return http.StatusInternalServerError
	default:
		return http.StatusInternalServerError
	}
}

// Title returns a short summary that is the same for every occurrence
// (RFC 9457, section 3.1.3).
func (t Type) Title() string {
	switch t {
	case MalformedRequest:
		return "The request contradicts itself"
	case InvalidTarget:
		return "The request target is ambiguous"
	case InvalidHost:
		return "The Host is missing or malformed"
	case InvalidForwarded:
		return "What a proxy forwarded is ambiguous"
	case InvalidCredential:
		return "The credential is repeated or unreadable"
	case InvalidBody:
		return "The request body is malformed"
	case InvalidParameters:
		return "The parameters are not what the API takes"
	case UnsupportedMedia:
		return "The API does not take a body of this type"
	case InvalidContent:
		return "The body is not what the API takes"
	case InvalidInput:
		return "The request has what is not taken"
	case Conflict:
		return "The request contradicts what there is"
	case ChangedMeanwhile:
		return "It was changed meanwhile"
	case NotJSON:
		return "The request body is not JSON"
	case ReusedKey:
		return "The Idempotency-Key came with another request"
	case IfMatchRequired:
		return "If-Match is required"
	case InsufficientScope:
		return "The credential lacks a scope"
	case FreshLogin:
		return "A fresh login is needed"
	case LinkGone:
		return "The link is used up"
	case CrossSite:
		return "Another site may have sent the request"
	case HTTPSRequired:
		return "HTTPS is required"
	case BodyTimeout:
		return "The request body stopped coming"
	case BodyTooLarge:
		return "The request body is too large"
	case TargetTooLong:
		return "The request target is too long"
	case LoginThrottled:
		return "Too many failed logins"
	case CreditsExhausted:
		return "No credits are left"
	case UpstreamFailed:
		return "The upstream gave no usable answer"
	case UpstreamTimeout:
		return "The upstream did not answer in time"
	case Unavailable:
		return "The request cannot be judged right now"
	case Unauthorized, Forbidden, NotFound, MethodNotAllowed, Misdirected, RateLimited, Internal:
		return http.StatusText(t.Status())
	default:
		return http.StatusText(t.Status())
	}
}
