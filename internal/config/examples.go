package config

import (
	"fmt"
	"reflect"
	"strings"
)

// exampleOf is a hint that shows how the field called path, which is of type t, is
// written; "" where nobody knows.
func exampleOf(path string, t reflect.Type) string {
	kind, name := path, ""
	if at := strings.LastIndexByte(path, '.'); at >= 0 && kindOfEntry(path) == path[:at] {
		kind, name = path[:at], path[at+1:]
	}
	if name != "" && !hasField(t, name) { // else the entry's name was left out
		kind += ".*"
	}
	example := map[string]string{
		"":              "upstream: http://127.0.0.1:8000",
		"upstreams":     "upstreams: {orders: {url: http://127.0.0.1:8000}}",
		"upstreams.*":   "NAME: {url: http://127.0.0.1:8000}",
		"cors":          "cors: {default: {origins: [https://app.example.com]}}",
		"cors.*":        "NAME: {origins: [https://app.example.com]}",
		"listeners":     "listeners: {internal: {listen: 127.0.0.1:9000}}",
		"listeners.*":   "NAME: {listen: 127.0.0.1:9000}",
		"rate_limits":   "rate_limits: {few: {count: 60, per: 1m, by: [key]}}",
		"rate_limits.*": "NAME: {count: 60, per: 1m, by: [key]}",
		"schemes":       "schemes: {token: {key: {in: bearer}}}",
		"schemes.*":     "NAME: {key: {in: bearer}}",
		"security":      "- {apiKey: []}",
		"tls":           "tls: {certificates: [{cert_file: cert.pem, key_file: key.pem}]}",
		"users":         "users: {file: ./users}",
		"passwords":     "passwords: {breached_file: ./pwned-passwords.txt}",
		"session":       "session: {password: true}",
		"postgres":      "postgres: {password: 'file:/run/secrets/postgres'}",
		"redis":         "redis: {addresses: [127.0.0.1:6379]}",
		"webhooks":      "webhooks: {ops: {url: https://hooks.example.com/warder, secret: \"${WEBHOOK_SECRET}\"}}",
		"webhooks.*":    "NAME: {url: https://hooks.example.com/warder, secret: \"${WEBHOOK_SECRET}\"}",
		"portal":        "portal: {listen: 127.0.0.1:8084, url: https://keys.example.com}",
		"decision":      "decision: {listen: 127.0.0.1:8083, dialect: nginx}",
	}[kind]
	if example == "" {
		example = exampleOfEntry(path, t)
	}
	if example == "" {
		return ""
	}
	return "write it like " + strings.Replace(example, "NAME", name, 1)
}

// exampleOfEntry is an example by what t is, wherever it stands.
func exampleOfEntry(path string, t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Alternative]():
		return "- {apiKey: []}"
	case t == reflect.TypeFor[RouteCredits]() && strings.HasSuffix(path, ".credits"):
		return "credits: {cost: 5}"
	case t == reflect.TypeFor[Route]():
		return "- {match: /orders/, upstream: orders}"
	case t == reflect.TypeFor[OpenAPIDocument]():
		return "- {document: http://127.0.0.1:8000/openapi.json, upstream: orders}"
	case t == reflect.TypeFor[Certificate]():
		return "- {cert_file: cert.pem, key_file: key.pem}"
	default:
		return ""
	}
}

// hasField reports whether t is a struct with a field of that name.
func hasField(t reflect.Type, name string) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for sf := range yamlFields(t) {
		if sf.Tag.Get("yaml") == name {
			return true
		}
	}
	return false
}

// exampleOfScalar is a hint for a set of fields where a word or a number belongs;
// "" where nobody knows.
func exampleOfScalar(path string) string {
	switch {
	case path == "upstream":
		return "write upstream: http://127.0.0.1:8000, or upstreams: {orders: {url: http://127.0.0.1:8000}} and routes"
	case strings.HasSuffix(path, "]"):
		return `put it in quotes, such as "orders:read"`
	default:
		return ""
	}
}

// otherWord is a hint for a name that other programs give to a field of ours; ""
// for any other.
func otherWord(path, name string) string {
	word := map[string]string{
		"routes.path": "match", "routes.pattern": "match", "routes.prefix": "match", "routes.to": "upstream", "routes.backend": "upstream",
		"routes.service": "upstream", "routes.methods": "match", "upstreams.address": "url", "upstreams.target": "url", "rate_limits.limit": "count",
		"tls.cert_file": "certificates", "tls.key_file": "certificates", "rate_limits.window": "per", "rate_limits.period": "per", "rate_limits.key": "by",
	}[kindOfEntry(path)+"."+name]
	switch {
	case name == "methods" && word != "":
		return `write the method before the path in match, such as "GET /orders/"`
	case word != "":
		return fmt.Sprintf("did you mean %q?", word)
	default:
		return ""
	}
}

// kindOfEntry is the list or map that path is an entry of.
func kindOfEntry(path string) string {
	if at := strings.IndexAny(path, ".["); at >= 0 && strings.LastIndexAny(path, ".[") == at {
		return path[:at]
	}
	return ""
}
