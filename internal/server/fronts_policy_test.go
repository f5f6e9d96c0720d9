package server_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// policyShared is the policy that every front keeps. The library has the same in Go:
// see newLibrary. %s are the files of people and of an issuer's keys, hours
// around now twice, further routes, the document and its mode.
const policyShared = `
hosts: [api.example.com, "*.shops.example.com"]
limits: {target_bytes: 1000B, header_bytes: 8KiB}
brute_force: {failures: 20, key_failures: 20, delay: 1h, longest_delay: 2h, forget: 3h}
users: {file: %s}
session: {password: true}
csrf: {trusted_origins: ["https://admin.example.com"]}
cors:
  default: {origins: ["https://app.example.com"], credentials: true, methods: [PUT, DELETE], request_headers: [X-API-Key, Content-Type], exposed_headers: [X-Total]}
  anybody: {origins: ["*"]}
schemes:
  cookieKey: {key: {in: cookie}}
  bearerKey: {key: {in: bearer}}
  basicKey: {key: {in: basic}}
  token: {jwt: {issuers: [{issuer: "https://id.example.com", audience: [orders], jwks_file: %s, owner_claim: org}]}}
  login: {session: {}}
  people: {basic: {}}
rate_limits:
  few: {count: 2, per: 1h, by: [key], plans: [{name: gold, count: 3, plans: [gold]}]}
  owners: {count: 2, per: 1h, by: [owner]}
  crowd: {count: 3, per: 1h, by: [address]}
  tried: {count: 1, per: 1h, by: [key], shadow: true}
  heavy: {count: 4, per: 1h, by: [key], cost: 2}
  each: {count: 1, per: 1h, by: [key, route]}
routes:
  - {match: GET /orders/, upstream: api, scopes: ["orders:read"]}
  - {match: POST /orders/, upstream: api, scopes: ["orders:write"]}
  - {match: DELETE /orders/, upstream: api, scopes: ["orders:write", "orders:delete"]}
  - {match: /any/, upstream: api}
  - {match: "/exact", upstream: api}
  - {match: "/one/{id}", upstream: api}
  - {match: "/folder/{$}", upstream: api}
  - {match: "a.shops.example.com/shop/", upstream: api, public: true}
  - {match: /open/, upstream: api, public: true}
  - {match: /admin, upstream: api, scopes: ["admin:all"]}
  - {match: /admin/, upstream: api, scopes: ["admin:all"]}
  - {match: /cookie/, upstream: api, security: [{cookieKey: []}]}
  - {match: /bearer/, upstream: api, security: [{bearerKey: []}]}
  - {match: /basic/, upstream: api, security: [{basicKey: []}]}
  - {match: /token/, upstream: api, security: [{token: ["orders:read"]}]}
  - {match: /people/, upstream: api, security: [{people: []}]}
  - {match: /session/, upstream: api, security: [{login: []}]}
  - {match: /either/, upstream: api, security: [{apiKey: ["orders:read"]}, {token: ["orders:read"]}]}
  - {match: /both/, upstream: api, security: [{apiKey: [], token: ["orders:read"]}]}
  - {match: /maybe/, upstream: api, security: [{apiKey: []}, {}]}
  - {match: /mixed/, upstream: api, security: [{bearerKey: []}, {token: []}]}
  - {match: /pages/, upstream: api, public_keys: true}
  - {match: /office/, upstream: api, conditions: [{name: office, addresses: [127.0.1.0/24, "2001:db8::/32"]}]}
  - {match: /banned/, upstream: api, conditions: [{name: banned, effect: deny, addresses: [127.0.1.9]}]}
  - {match: /live/, upstream: api, conditions: [{name: live, environments: [live]}]}
  - {match: /acme/, upstream: api, conditions: [{name: acme, owners: [acme]}]}
  - {match: /readonly/, upstream: api, conditions: [{name: readonly, methods: [GET]}]}
  - {match: /tree/, upstream: api, conditions: [{name: secret, effect: deny, paths: ["/tree/secret/**"]}]}
  - {match: /never/, upstream: api, conditions: [{name: closed, effect: deny, times: [%s]}]}
  - {match: /always/, upstream: api, conditions: [{name: opening-hours, times: [%s]}]}
  - {match: /issued/, upstream: api, security: [{apiKey: []}, {token: []}], conditions: [{name: issued, issuers: ["https://id.example.com"]}]}
  - {match: /named/, upstream: api, security: [{apiKey: []}, {token: []}], conditions: [{name: by-key, schemes: [apiKey]}]}
  - {match: /cel/, upstream: api, conditions: [{name: cel, cel: "'orders:read' in principal.scopes"}]}
  - {match: /tried/, upstream: api, conditions: [{name: tried, shadow: true, owners: [nobody]}], rate_limits: [tried]}
  - {match: /choice/, upstream: api, conditions: [{name: globex, effect: allow, owners: [globex]}, {name: office-too, effect: allow, addresses: [127.0.1.0/24]}]}
  - {match: /few/, upstream: api, rate_limits: [few]}
  - {match: /owners/, upstream: api, rate_limits: [owners]}
  - {match: /crowd/, upstream: api, public: true, rate_limits: [crowd]}
  - {match: /crowded/, upstream: api, rate_limits: [crowd, few]}
  - {match: /heavy/, upstream: api, rate_limits: [heavy]}
  - {match: /each/, upstream: api, rate_limits: [each]}
  - {match: /each/other/, upstream: api, rate_limits: [each]}
  - {match: /priced/, upstream: api, credits: {cost: 3}}
  - {match: /priced/free/, upstream: api, credits: {free: true}}
  - {match: /anybody/, upstream: api, public: true, cors: anybody}
  - {match: /nocors/, upstream: api, public: true, cors: "off"}
%s
openapi_documents: [{document: %s, upstream: api, mode: "%s"}]
`

// policyGatewayAlone is what no proxy that only asks could keep: see
// policyUndecidable.
const policyGatewayAlone = `
  - {match: /small/, upstream: api, public: true, body_bytes: 10B}
`

// policyDocument is a document whose operations are routes.
const policyDocument = `{
"openapi": "3.1.0", "info": {"title": "documents", "version": "1"}, "servers": [{"url": "/v1"}], "security": [{"apiKey": []}],
"components": {"securitySchemes": {
  "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
  "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}},
"paths": {
  "/items": {"post": {"security": [{"apiKey": ["orders:write"]}], "requestBody": {"required": true, "content": {"application/json": {"schema": {
    "type": "object", "additionalProperties": false, "required": ["count"], "properties": {"count": {"type": "integer", "maximum": 10}}}}}}}},
  "/items/{id}": {
    "parameters": [{"in": "path", "name": "id", "required": true, "schema": {"type": "integer"}}],
    "get": {"parameters": [{"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}}]},
    "delete": {"security": [{"apiKey": ["orders:delete"]}, {"token": ["orders:read"]}]}},
  "/items/own": {"get": {"security": []}},
  "/status": {"get": {"security": []}},
  "/maybe": {"get": {"security": [{"apiKey": []}, {}]}},
  "/scoped": {"get": {"x-warder-scopes": ["orders:read"]}}
}}`

// policyYAML is the configuration of a front.
func policyYAML(t *testing.T, p people, front policyFront) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "openapi.json")
	writeDocument(t, file, policyDocument)
	mode, routes, decision := "enforce", policyGatewayAlone, ""
	if dialect := dialectOf(front); dialect != "" {
		mode, routes, decision = "off", "", "decision: {listen: \"127.0.0.1:0\", dialect: "+dialect+"}\n"
	}
	from, to := hoursAround(time.Now())
	window := fmt.Sprintf("{from: %q, to: %q, zone: UTC}", from, to)
	return decision + fmt.Sprintf(policyShared, p.users, p.keys, window, window, routes, file, mode)
}

// hoursAround are six hours with now in their middle, in UTC.
func hoursAround(now time.Time) (from, to string) {
	return now.UTC().Add(-3 * time.Hour).Format("15:04"), now.UTC().Add(3 * time.Hour).Format("15:04")
}

// dialectOf is how a proxy of the front asks; "" for a front that forwards.
func dialectOf(front policyFront) string {
	i := slices.Index([]policyFront{atNginx, atCaddy, atHAProxy, atPlain, atTraefik, atEnvoy, atEnvoyHTTP}, front)
	if i < 0 {
		return ""
	}
	return []string{"nginx", "caddy", "haproxy", "caddy", "traefik", "envoy", "envoy-http"}[i]
}
