package keyservice

import (
	"context"
	"net/http"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
)

// An AdminKey is a machine that administers. Its text is told once, by what made it.
type AdminKey struct {
	ID       string     `json:"id" doc:"names the admin key for good" example:"4fJd8KqLmN2x"`
	Masked   string     `json:"masked" doc:"what of the text may be shown" example:"wadm_developer_4fJd8KqLmN2x..."`
	Name     string     `json:"name" example:"deploy"`
	Role     string     `json:"role" enum:"owner,admin,developer,auditor" example:"developer"`
	Owner    string     `json:"owner,omitempty" doc:"of the API's keys, to which it is bound: it sees no others; absent: to none" example:"acme"`
	State    string     `json:"state" enum:"active,revoked,expired" example:"active"`
	Maker    string     `json:"maker,omitempty" doc:"the person who made it; absent: the command line, or the admin token"`
	Created  time.Time  `json:"created" example:"2026-11-28T12:00:00Z"`
	Expires  *time.Time `json:"expires,omitempty" doc:"from then on it is refused; absent: never"`
	Revoked  *time.Time `json:"revoked,omitempty" doc:"for good"`
	Reason   string     `json:"reason,omitempty" doc:"why it was revoked"`
	Revision int64      `json:"revision" doc:"of the last change" example:"7"`
}

func adminKeyOf(k *account.Key) AdminKey {
	return AdminKey{
		ID: k.ID, Masked: login.Prefix + "_" + string(k.Role) + "_" + k.ID + "...", Name: k.Name, Role: string(k.Role), Owner: k.Owner,
		State: k.State(time.Now()), Maker: k.Maker, Created: k.Created.UTC(), Expires: timeOf(k.Expires), Revoked: timeOf(k.Revoked), Reason: k.Reason,
		Revision: int64(k.Revision),
	}
}

// AdminKeyBody is one admin key.
type AdminKeyBody struct {
	Key AdminKey `json:"key"`
}

// AdminKeyMade is an admin key with its text.
type AdminKeyMade struct {
	Key  AdminKey `json:"key"`
	Text string   `json:"text,omitempty" format:"password" doc:"the admin key itself: here and never again. Absent in an answer that is replayed." example:"wadm_developer_4fJd8KqLmN2x..."`
}

func (m AdminKeyMade) forget() any {
	m.Text = ""
	return m
}

// AdminKeyPage is a part of a list.
type AdminKeyPage struct {
	Keys []AdminKey `json:"keys" nullable:"false"`
	Next string     `json:"next,omitempty" doc:"the cursor of the next page; absent on the last" example:"AQAB"`
}

// AdminKeySpec is an admin key to be made.
type AdminKeySpec struct {
	Name    string     `json:"name,omitempty" doc:"what it is for, for people" maxLength:"128" example:"deploy"`
	Role    string     `json:"role" enum:"owner,admin,developer,auditor" example:"developer"`
	Owner   string     `json:"owner,omitempty" doc:"bind it to this owner of the API's keys: it sees no others" minLength:"1" maxLength:"128" example:"acme"`
	Expires *time.Time `json:"expires,omitempty" doc:"from then on it is refused; absent: never"`
}

func (s *Service) listAdminKeys(ctx context.Context, _ *caller, in *struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" doc:"admin keys in a page; default 100"`
	Cursor string `query:"cursor" doc:"next of the page before" maxLength:"128"`
},
) (*answer[AdminKeyPage], error) {
	if s.cfg.People == nil || s.cfg.AdminKeys == nil {
		return nil, errNoPeople
	}
	limit, after := in.Limit, ""
	if limit == 0 {
		limit = defaultPage
	}
	if in.Cursor != "" {
		place, ok := openCursor(in.Cursor, "admin keys")
		if !ok || !apikey.ValidID(string(place)) {
			return nil, invalid(Fault{"cursor", "want next of a page of admin keys"})
		}
		after = string(place)
	}
	all, err := s.cfg.People.Store().ListKeys(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	page := AdminKeyPage{Keys: make([]AdminKey, len(all))}
	for i := range all {
		page.Keys[i] = adminKeyOf(&all[i])
	}
	if len(all) == limit {
		page.Next = sealCursor([]byte(all[limit-1].ID), "admin keys")
	}
	return &answer[AdminKeyPage]{Body: page}, nil
}

// adminKey finds one.
func (s *Service) adminKey(ctx context.Context, id string) (account.Key, error) {
	if s.cfg.People == nil || s.cfg.AdminKeys == nil {
		return account.Key{}, errNoPeople
	}
	return s.cfg.People.Store().LookupKey(ctx, id)
}

func (s *Service) getAdminKey(ctx context.Context, _ *caller, in *KeyPath) (*answer[AdminKeyBody], error) {
	k, err := s.adminKey(ctx, in.ID)
	return adminKeyAnswer(&k, err)
}

func adminKeyAnswer(k *account.Key, err error) (*answer[AdminKeyBody], error) {
	if err != nil {
		return nil, err
	}
	return &answer[AdminKeyBody]{ETag: tagOf(k.Revision), Body: AdminKeyBody{adminKeyOf(k)}}, nil
}

func (s *Service) createAdminKey(ctx context.Context, c *caller, in *struct {
	Marked
	Body AdminKeySpec
},
) (*answer[AdminKeyMade], error) {
	if s.cfg.AdminKeys == nil {
		return nil, errNoPeople
	}
	spec := login.KeySpec{Name: in.Body.Name, Role: account.Role(in.Body.Role), Owner: in.Body.Owner}
	if in.Body.Expires != nil {
		spec.Expires = *in.Body.Expires
	}
	k, text, err := s.cfg.AdminKeys.Issue(ctx, c.admin(), spec)
	if err != nil {
		return nil, err
	}
	return &answer[AdminKeyMade]{
		ETag: tagOf(k.Revision), Location: "/v1/adminKeys/" + k.ID, Body: AdminKeyMade{adminKeyOf(&k), text.Reveal()},
	}, nil
}

func (s *Service) revokeAdminKey(ctx context.Context, c *caller, in *struct {
	KeyPath
	Matched
	Marked
	Body struct {
		Reason string `json:"reason,omitempty" doc:"a word for the audit, such as key-compromise or superseded; default unspecified" maxLength:"64" pattern:"^[a-z0-9-]*$" patternDescription:"lower case letters, digits and -" example:"superseded"`
	}
},
) (*answer[AdminKeyBody], error) {
	k, err := s.adminKey(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	whatever, err := matches(in.IfMatch, tagOf(k.Revision), false)
	if err != nil {
		return nil, err
	}
	revision := k.Revision
	if whatever {
		revision = 0
	}
	reason := in.Body.Reason
	if reason == "" {
		reason = apikey.ReasonUnspecified
	}
	k, err = s.cfg.AdminKeys.RevokeAt(ctx, c.admin(), in.ID, revision, reason)
	return adminKeyAnswer(&k, err)
}

// addAdminKeys registers the operations on admin keys.
func (s *Service) addAdminKeys() {
	const tag = "adminKeys"
	register(s, endpoint{id: "listAdminKeys", method: http.MethodGet, path: "/v1/adminKeys", tag: tag, right: ReadAccounts, summary: "List admin keys, a page at a time"}, s.listAdminKeys)
	register(s, endpoint{id: "createAdminKey", method: http.MethodPost, path: "/v1/adminKeys", tag: tag, right: ManageAccounts, status: http.StatusCreated, once: true, also: onceAlso(), summary: "Make an admin key: for a machine that administers", description: "Its text is in this answer and never again."}, s.createAdminKey)
	register(s, endpoint{id: "getAdminKey", method: http.MethodGet, path: "/v1/adminKeys/{id}", tag: tag, right: ReadAccounts, also: []int{404}, summary: "Show an admin key"}, s.getAdminKey)
	register(s, endpoint{id: "revokeAdminKey", method: http.MethodPost, path: "/v1/adminKeys/{id}:revoke", tag: tag, right: ManageAccounts, urgent: true, once: true, repeats: true, also: onceAlso(404, 412), summary: "Revoke an admin key for good", description: "It is refused from the next request on. It wants no fresh login, since it is urgent."}, s.revokeAdminKey)
}
