package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"
)

// An OpenAPIDocument is an OpenAPI document that is policy: its operations are routes, its security is what they ask for, and parameters and bodies are judged by it.
type OpenAPIDocument struct {
	// Document is the path of the file, or the http or https URL, of an OpenAPI document of version 3.0 or 3.1, in JSON or YAML. Plain http is fetched from this machine, and from where its upstream is. Required.
	Document string `yaml:"document" jsonschema:"required"`
	// Upstream is the name of the upstream to which its operations go. Required.
	Upstream string `yaml:"upstream" jsonschema:"required"`
	// Name is what the log, metrics and the admin listener call the document (as those of upstreams). Default: the upstream's name.
	Name string `yaml:"name"`
	// Host is the name at which its operations are, as in a route's match. Default: every name.
	Host string `yaml:"host"`
	// BasePath is put before each path of the document, such as /v1; / for nothing. Default: the path of the document's first server.
	BasePath string `yaml:"base_path"`
	// Mode says what becomes of requests that are not what the document says: off does not look, shadow counts and logs them, enforce refuses them. Security is enforced in any case. Default enforce.
	Mode string `yaml:"mode" default:"enforce" enum:"off|shadow|enforce"`
	// Undeclared says what becomes of paths and methods that the document does not declare: refuse answers 404 and 405, report counts them and asks for what security says at the top level. Default refuse.
	Undeclared string `yaml:"undeclared" default:"refuse" enum:"refuse|report"`
	// UnknownQuery says what becomes of parameters of the query that the document does not declare. Default refuse.
	UnknownQuery string `yaml:"unknown_query" default:"refuse" enum:"refuse|allow"`
	// Schemes tells which scheme each security scheme of the document is, where neither its name nor what it says about itself does: {HTTPBearer: apiKey}. Default: none.
	Schemes map[string]string `yaml:"schemes"`
	// RolesClaim leads to the claim of a token, or the member of an introspection's answer, that holds roles for x-warder-roles: its name, and for one within another that of the outer one first, such as [realm_access, roles]. Default [roles].
	RolesClaim []string `yaml:"roles_claim"`
	// BodyBytes is the largest body in bytes that is judged, and kept in memory for that, 1KiB to 64MiB; longer ones are 413. Default 1MiB.
	BodyBytes Size `yaml:"body_bytes" default:"1MiB" min:"1KiB" max:"64MiB"`
	// Reload is how often the document is read again, 1s to 1d. Default 1m.
	Reload time.Duration `yaml:"reload" default:"1m" min:"1s" max:"1d"`
	// CAFile is the path of a PEM file with the authorities that may sign the certificate of the document's server. Only with an https URL. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// InsecureHTTP fetches the document over plain HTTP from anywhere. It costs: whoever is on the way writes the policy. Default false.
	InsecureHTTP bool `yaml:"insecure_http" default:"false"`
	// InsecureFollowUpstream applies what is read again although it asks for less than before. It costs: whoever can change the document, or answer in its place, opens the API. Default false.
	InsecureFollowUpstream bool `yaml:"insecure_follow_upstream" default:"false"`
}

// What [OpenAPIDocument.Mode], Undeclared and UnknownQuery may be.
const (
	ModeOff     = "off"
	ModeShadow  = "shadow"
	ModeEnforce = "enforce"

	UndeclaredReport  = "report"
	UnknownQueryAllow = "allow"
)

// maxDocuments bounds Config.OpenAPIDocuments.
const maxDocuments = 64

// URL returns where the document is fetched; false for a file.
func (d *OpenAPIDocument) URL() (address *url.URL, ok bool) {
	if !isURL(d.Document) {
		return nil, false
	}
	address, err := url.Parse(d.Document)
	return address, err == nil
}

func isURL(text string) bool {
	lower := strings.ToLower(text)
	return strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")
}

// checkDocuments checks the shorthand and the documents.
func (l *loader) checkDocuments() {
	c := l.config
	if c.OpenAPI != "" {
		switch {
		case len(c.OpenAPIDocuments) > 0:
			l.reject("openapi", "is given together with openapi_documents", "it is shorthand for one of them: keep one form")
		case c.Upstream == "" && !l.failed("upstream"):
			l.reject("openapi", "is given without upstream: nobody would get what it lets through", "add upstream, or write openapi_documents")
		}
		l.checkDocumentPlace("openapi", &OpenAPIDocument{Document: c.OpenAPI}, c.Upstream)
	}
	if len(c.OpenAPIDocuments) > maxDocuments {
		l.reject("openapi_documents", fmt.Sprintf("are %d, want at most %d", len(c.OpenAPIDocuments), maxDocuments), "")
		return
	}
	if c.Decision.On() && c.OpenAPI != "" {
		l.reject("openapi", bodiesUnseen, "write openapi_documents with mode: off, or send these requests through the gateway")
	}
	seen := map[string]string{}
	for i := range c.OpenAPIDocuments {
		field := fmt.Sprintf("openapi_documents[%d]", i)
		if l.failed(field) {
			continue
		}
		d := &c.OpenAPIDocuments[i]
		l.checkDocument(field, d)
		name := d.Name
		if name == "" {
			name = d.Upstream
		}
		if other, taken := seen[name]; taken && name != "" {
			l.reject(field, "has the same name as "+other, "give it a name of its own")
		}
		seen[name] = field
	}
}

// bodiesUnseen is why a document does not validate where proxies ask.
const bodiesUnseen = "cannot hold where proxies ask by decision.listen: they do not show the body"

func (l *loader) checkDocument(field string, d *OpenAPIDocument) {
	if l.config.Decision.On() && d.Mode != ModeOff && !l.failed(field+".mode") {
		l.reject(field+".mode", bodiesUnseen, "set off: security holds all the same; or send these requests through the gateway")
	}
	upstream, known := l.config.Upstreams[d.Upstream]
	switch {
	case l.failed(field + ".upstream"), known:
	case d.Upstream == "":
		l.reject(field, "has no upstream", "")
	default:
		l.reject(field+".upstream", "no upstream is called "+l.show(field+".upstream"), l.nearestUpstream(field+".upstream", d.Upstream))
	}
	switch {
	case l.failed(field + ".document"):
	case d.Document == "":
		l.reject(field, "has no document", "name its file or URL")
	default:
		l.checkDocumentPlace(field+".document", d, upstream.URL)
	}
	if d.CAFile != "" && !strings.HasPrefix(strings.ToLower(d.Document), "https:") {
		l.reject(field+".ca_file", "has no effect without an https URL", "")
	}
	if d.InsecureHTTP && !strings.HasPrefix(strings.ToLower(d.Document), "http:") {
		l.reject(field+".insecure_http", "has no effect without an http URL", "")
	}
	if d.Name != "" && !validName(d.Name) && !l.failed(field+".name") {
		l.reject(field+".name", l.show(field+".name")+" is not a name", "use 1 to 63 lower case letters, digits, - and _, the first a letter or digit")
	}
	l.checkPattern(field+".host", d.Host+"/")
	if base := field + ".base_path"; d.BasePath != "" && !l.failed(base) && (d.BasePath[0] != '/' || path.Clean(d.BasePath) != d.BasePath || strings.ContainsAny(d.BasePath, "{}?#%;\\ ")) {
		l.reject(base, "is not a plain path", "write it like /v1, without / at the end")
	}
	l.checkWords(field+".roles_claim", d.RolesClaim)
	for _, name := range sortedKeys(d.Schemes) {
		if _, known := l.config.Schemes[d.Schemes[name]]; !known && d.Schemes[name] != DefaultScheme {
			l.reject(field+".schemes."+name, "no scheme has this name", l.nearestScheme(d.Schemes[name]))
		}
	}
}

// checkDocumentPlace wants a file, or a URL that may be asked. It never repeats
// the URL: a password may be in it.
func (l *loader) checkDocumentPlace(field string, d *OpenAPIDocument, upstream string) {
	if !isURL(d.Document) {
		if strings.Contains(d.Document, "://") {
			l.reject(field, "is a URL of another kind than http and https", "")
		}
		return
	}
	plain, _, _ := strings.Cut(d.Document, "?")
	l.checkURL(field, plain)
	if strings.HasPrefix(strings.ToLower(d.Document), "https:") || d.InsecureHTTP || l.failed(field) || near(d.Document, upstream) {
		return
	}
	l.reject(field, "is plain http to another machine, and not where the upstream is: whoever is on the way would write the policy", "use https, or set insecure_http")
}

// near reports whether a document over plain http comes from this machine, or from
// where the API itself is: who can change it on the way could change that as well.
func near(document, upstream string) bool {
	d, err := url.Parse(document)
	if err != nil {
		return false
	}
	if ip, err := netip.ParseAddr(d.Hostname()); d.Hostname() == "localhost" || err == nil && ip.Unmap().IsLoopback() {
		return true
	}
	u, err := url.Parse(upstream)
	return err == nil && strings.EqualFold(u.Scheme, d.Scheme) && strings.EqualFold(u.Host, d.Host)
}

// completeDocuments fills what follows from other fields.
func (c *Config) completeDocuments() {
	if c.OpenAPI != "" {
		c.Routes = nil // the document's operations are in place of "/"
		c.OpenAPIDocuments = []OpenAPIDocument{{
			Document: c.OpenAPI, Upstream: DefaultUpstream, Mode: ModeEnforce, Undeclared: "refuse", UnknownQuery: "refuse", BodyBytes: 1 << 20, Reload: time.Minute,
		}}
	}
	for i := range c.OpenAPIDocuments {
		d := &c.OpenAPIDocuments[i]
		if d.Name == "" {
			d.Name = d.Upstream
		}
		if len(d.RolesClaim) == 0 {
			d.RolesClaim = []string{"roles"}
		}
	}
}

// documents tells of documents that only watch.
func (w *weaknesses) documents() {
	for i := range w.config.OpenAPIDocuments {
		field, d := fmt.Sprintf("openapi_documents[%d]", i), &w.config.OpenAPIDocuments[i]
		switch d.Mode {
		case ModeOff:
			w.add(field+".mode", "parameters and bodies are not judged", "set enforce, or shadow to see what that would refuse")
		case ModeShadow:
			w.add(field+".mode", "it only watches: nothing is refused by it", "set enforce when what it would refuse is right")
		}
		if d.Undeclared == UndeclaredReport {
			w.add(field+".undeclared", "what the document does not declare passes with any credential", "set refuse when the report is empty")
		}
	}
}
