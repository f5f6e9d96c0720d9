package server

import (
	"errors"
	"net/http"
	"strings"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/session/password/known"
	"github.com/warder-dev/warder/target"
)

// accountBase is where administrators prove who they are, on the admin listener.
const accountBase = "/v1/account"

// administrators let those who administer in; the zero value nobody.
type administrators struct {
	people *account.Manager
	door   *login.Door
	keys   *login.Keys
	routes *login.Routes
}

// openAdministrators joins what lets administrators in; nothing without a store of
// them.
func (p *program) openAdministrators() error {
	o := p.options
	if o.Accounts == nil {
		return nil
	}
	sessions, err := login.NewSessions(o.Sessions, o.Log)
	if err != nil {
		return err
	}
	list, err := known.New(known.Config{File: o.Config.Passwords.BreachedFile})
	if err != nil {
		return err
	}
	people, err := account.New(account.Config{Store: o.Accounts, Hash: login.Hash, Sealer: o.Peppers, Known: list.Known, Ended: login.End(sessions, o.Log)})
	if err != nil {
		return err
	}
	a := &p.administrators
	a.people = people
	a.door, err = login.New(login.Config{People: people, Sessions: sessions, Log: o.Log, Timeout: o.Config.Timeouts.Store})
	if err != nil {
		return err
	}
	if a.keys, err = login.NewKeys(login.KeysConfig{Store: o.Accounts, Peppers: o.Peppers, Log: o.Log}); err != nil {
		return err
	}
	a.routes, err = login.NewRoutes(a.door, a.keys, accountBase)
	return err
}

// close stops what runs in the background.
func (a *administrators) close() error {
	if a.keys == nil {
		return nil
	}
	return a.keys.Close()
}

// before returns a handler that answers below accountBase itself, behind an edge of
// its own, and leaves all else to next.
func (p *program) before(next http.Handler) (http.Handler, error) {
	a := &p.administrators
	if a.routes == nil {
		return next, nil
	}
	edge, edgeErr := p.adminEdge()
	limit, limitErr := bodylimit.New(bodylimit.Config{Max: adminBody})
	if err := errors.Join(edgeErr, limitErr); err != nil {
		return nil, err
	}
	routes := new(warder.Routes)
	for _, pattern := range a.routes.Patterns() {
		if err := routes.Handle(pattern, &warder.Policy{BodyLimit: limit}); err != nil {
			return nil, err
		}
	}
	own := (&warder.Stack{Edge: edge, Route: routes}).Wrap(a.routes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, accountBase+"/") {
			own.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}

// adminEdge is the edge of what the admin listener answers beside its mux.
func (p *program) adminEdge() (warder.Edge, error) {
	hosts, hostsErr := localHosts(p.options.Listeners.Admin)
	ids, idsErr := requestid.New(requestid.Config{})
	targets, targetsErr := target.New(target.Config{})
	return warder.Edge{
		RequestID: ids, Recover: httpserver.NewRecover(p.options.Log), Forwarded: forwarded.Direct(), TrustedHost: hosts, Target: targets,
	}, errors.Join(hostsErr, idsErr, targetsErr)
}
