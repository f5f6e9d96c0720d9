package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
)

// wrongListener says which address --server wants.
const wrongListener = "--server wants the address of the admin listener, which warder serve tells as \"metrics and probes on\": http://127.0.0.1:8081, unless admin_listen says something else"

// silenceHint is what may help when there was no answer of the API.
func silenceHint(err error) string {
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
		return "no TLS is spoken there: on this machine, write http:// in --server"
	}
	return "does warder serve run there, with its admin listener?"
}

// failure is what the server refused, as the same command on a database would say it.
func (r *remote) failure(ctx context.Context, err error, doing string) error {
	p, ok := errors.AsType[*client.Problem](err)
	if !ok {
		return fail(exitServer, silenceHint(err), "%s: %w", doing, err)
	}
	switch p.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusMisdirectedRequest:
		if !r.IsAdminAPI(ctx) {
			return fail(exitUsage, wrongListener, "%s: no admin API answers at %s: is that the gateway, or another program? (it answered %d)", doing, r.server, p.Status)
		}
	}
	switch p.Status {
	case http.StatusUnauthorized:
		return fail(exitDenied, tokenHint, "%s: %w", doing, p)
	case http.StatusForbidden:
		return r.forbidden(ctx, p, doing)
	case http.StatusNotFound:
		return fail(exitNotFound, listHint(doing), "%s: %s", doing, p.Detail)
	case http.StatusBadRequest:
		if named := remoteFields(p, doing); len(named) > 0 {
			return fail(exitUsage, "", "%w", errors.Join(named...))
		}
		return fail(exitUsage, "", "%s: %w", doing, p)
	case http.StatusPreconditionFailed:
		return fail(exitConflict, "warder keys show tells how it is now", "%s: %w", doing, p)
	case http.StatusConflict, http.StatusUnprocessableEntity:
		return fail(exitUsage, "", "%s: %w", doing, p)
	default:
		return fail(exitServer, "", "%s: %w", doing, p)
	}
}

// listHint names the command that lists what was not found.
func listHint(doing string) string {
	switch {
	case strings.HasPrefix(doing, "admins keys"):
		return "warder admins keys list shows the ids"
	case strings.HasPrefix(doing, "admins"):
		return "warder admins list shows the names"
	case strings.HasPrefix(doing, "limits"):
		return "warder limits show lists them"
	case strings.HasPrefix(doing, "openapi"):
		return "warder openapi drift lists them"
	default:
		return "warder keys list shows the ids"
	}
}

// forbidden says what of the token it is that does not allow it.
func (r *remote) forbidden(ctx context.Context, p *client.Problem, doing string) error {
	const hint = "warder whoami shows what the token may do; docs/reference/admin-roles.md says which role may do what"
	if p.Kind() != "insufficient-scope" {
		return fail(exitDenied, hint, "%s: %w", doing, p)
	}
	me, err := r.Whoami(ctx)
	switch {
	case err != nil:
		return fail(exitDenied, hint, "%s: %w", doing, p)
	case me.Value.Owner != "":
		return fail(exitDenied, "give a token that is bound to no owner; "+hint, "%s: the server answered 403: the token is bound to the owner %s, and may not do this, as %s %s",
			doing, shown(me.Value.Owner), article(me.Value.Role), shown(me.Value.Role))
	default:
		return fail(exitDenied, "give a token whose role may; "+hint, "%s: the server answered 403: the token's role, %s, may not do this", doing, shown(me.Value.Role))
	}
}

// article is the one before word.
func article(word string) string {
	if word != "" && strings.ContainsRune("aeiou", rune(word[0])) {
		return "an"
	}
	return "a"
}

// remoteFields are what is wrong with the flags, by the flags' names.
func remoteFields(p *client.Problem, doing string) (named []error) {
	for _, f := range p.Errors {
		if strings.HasPrefix(doing, "admins") || strings.HasPrefix(doing, "limits") { // which name fields as they are, also here
			named = append(named, fmt.Errorf("%s: %s", shown(f.Field), shown(f.Message)))
			continue
		}
		named = append(named, specErrors(&apikey.SpecError{Field: f.Field, Reason: f.Message})...)
	}
	return named
}
