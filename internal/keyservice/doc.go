// Package keyservice is the admin REST API: the whole life of API keys, their
// credits, the audit log and usage, for those who administer warder. It serves
// behind the edge of the admin listener, and asks for a credential of its own on
// every operation but the document at /openapi.json.
//
// What an operation is, who may use it and what it answers is said once, where it
// is registered: huma makes the OpenAPI document of it, humaapi enforces the
// security that the document declares, and the check of parameters and bodies goes
// by the document's schemas. Nothing that the document does not name is taken: an
// unknown, repeated or read-only member is an error that names it.
package keyservice
