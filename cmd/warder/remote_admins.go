package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/client"
)

// acceptThere says where a link is used that a server made.
const acceptThere = "on the admin page, by warder admins accept where the database is, or in the admin API"

// withRemoteAdmins calls use with the server.
func withRemoteAdmins(cmd *cobra.Command, p *process, argument string, use func(r *remote) error) error {
	r, err := openRemote(cmd, p, argument)
	if err != nil {
		return err
	}
	defer r.Close()
	return use(r)
}

// remotePerson is somebody of the server's as the commands print it.
func remotePerson(a *client.Person) adminView {
	v := adminView{
		ID: account.ID(a.ID), Name: a.Name, Email: a.Email, Role: account.Role(a.Role), State: account.State(a.State), Factor: a.Factor,
		RecoveryCodes: int(a.RecoveryCodes), Created: a.Created.UTC().Truncate(time.Second), Revision: account.Revision(a.Revision),
	}
	if a.LinkExpires != nil {
		v.LinkExpires = second(*a.LinkExpires)
	}
	if a.LastLogin != nil {
		v.LastLogin = second(*a.LastLogin)
	}
	return v
}

// person finds somebody by name, or by id.
func (r *remote) person(ctx context.Context, name string) (client.Person, error) {
	found, err := r.ListPeople(ctx, client.ListPeopleParams{Name: name})
	if err != nil {
		return client.Person{}, r.failure(ctx, err, "admins")
	}
	if len(found.Value.People) > 0 {
		return found.Value.People[0], nil
	}
	if account.ValidID(name) {
		one, err := r.GetPerson(ctx, name)
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Kind() != "not-found" {
			if err != nil {
				return client.Person{}, r.failure(ctx, err, "admins")
			}
			return one.Value.Person, nil
		}
	}
	return client.Person{}, fail(exitNotFound, "warder admins list shows the names", "there is no administrator %q", printable(name))
}

// everybody lists who administers, by name.
func (r *remote) everybody(ctx context.Context) ([]adminView, error) {
	views, asked := []adminView{}, client.ListPeopleParams{Limit: pageSize}
	for {
		page, err := r.ListPeople(ctx, asked)
		if err != nil {
			return nil, r.failure(ctx, err, "admins list")
		}
		for i := range page.Value.People {
			views = append(views, remotePerson(&page.Value.People[i]))
		}
		if asked.Cursor = page.Value.Next; asked.Cursor == "" {
			break
		}
	}
	slices.SortFunc(views, func(a, b adminView) int { return strings.Compare(a.Name, b.Name) })
	return views, nil
}

// A remoteMaker makes a link on a server.
type remoteMaker func(ctx context.Context, r *remote, l client.LinkFrom) (client.Result[client.PersonInvited], error)

// addRemote makes somebody on a server.
func addRemote(spec account.Spec) remoteMaker {
	return func(ctx context.Context, r *remote, l client.LinkFrom) (client.Result[client.PersonInvited], error) {
		return r.CreatePerson(ctx, client.CreatePersonParams{IdempotencyKey: rand.Text()}, client.PersonSpec{
			Name: spec.Name, Email: spec.Email, Role: string(spec.Role), From: l.From, Anywhere: l.Anywhere,
		})
	}
}

// inviteRemote makes another link on a server.
func inviteRemote(name string) remoteMaker {
	return func(ctx context.Context, r *remote, l client.LinkFrom) (made client.Result[client.PersonInvited], err error) {
		found, err := r.person(ctx, name)
		if err != nil {
			return made, err
		}
		return r.InvitePerson(ctx, found.ID, client.InvitePersonParams{IfMatch: "*", IdempotencyKey: rand.Text()}, l)
	}
}

// resetRemote takes password or factor away on a server.
func resetRemote(name string, what account.Reset) remoteMaker {
	return func(ctx context.Context, r *remote, l client.LinkFrom) (made client.Result[client.PersonInvited], err error) {
		found, err := r.person(ctx, name)
		if err != nil {
			return made, err
		}
		return r.ResetPerson(ctx, found.ID, client.ResetPersonParams{IfMatch: "*", IdempotencyKey: rand.Text()}, client.ResetPersonRequest{
			Password: what.Password, Factor: what.Factor, From: l.From, Anywhere: l.Anywhere,
		})
	}
}

// runRemote is [linkFlags.run] on a server.
func (f *linkFlags) runRemote(cmd *cobra.Command, p *process, form format, makes remoteMaker) error {
	l, where, err := f.where.remote(cmd)
	if err != nil {
		return err
	}
	return withRemoteAdmins(cmd, p, "", func(r *remote) error {
		made, err := makes(cmd.Context(), r, l)
		if err != nil {
			return r.adminFailure(cmd, err)
		}
		if made.Replayed {
			return fail(exitServer, "make another link by warder admins invite, reset-password or reset-factor", "the change was made, but the answer with the link was lost")
		}
		return f.tell(p, form, remotePerson(&made.Value.Person), made.Value.Link.Text, where, acceptThere)
	})
}

// adminFailure is [remote.failure], for what is no failure yet.
func (r *remote) adminFailure(cmd *cobra.Command, err error) error {
	if _, ok := errors.AsType[*failure](err); ok {
		return err
	}
	return r.failure(cmd.Context(), err, strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "))
}

// remote is from where a link of a server's may be used; by default from where the
// server sees that it was asked.
func (w *whereFrom) remote(cmd *cobra.Command) (l client.LinkFrom, where string, _ error) {
	if w.anywhere {
		return client.LinkFrom{Anywhere: true}, "from everywhere", nil
	}
	if !cmd.Flags().Changed("from") {
		return l, "from the address alone from which this was asked", nil
	}
	if _, err := netip.ParseAddr(w.from); err != nil {
		return l, "", fail(exitUsage, "write it like 192.0.2.7, or use --anywhere", "--from %q is no address", printable(w.from))
	}
	return client.LinkFrom{From: w.from}, "from " + w.from + " alone", nil
}

// A personChange changes somebody on a server.
type personChange func(ctx context.Context, r *remote, id string) (client.Result[client.PersonBody], error)

// changeRemote is [changeAdmin] on a server.
func changeRemote(cmd *cobra.Command, p *process, form format, name string, change personChange, said string) error {
	return withRemoteAdmins(cmd, p, "", func(r *remote) error {
		found, err := r.person(cmd.Context(), name)
		if err != nil {
			return err
		}
		after, err := change(cmd.Context(), r, found.ID)
		if err != nil {
			return r.adminFailure(cmd, err)
		}
		_, _ = fmt.Fprintf(p.stderr, "%q %s\n", after.Value.Person.Name, said)
		v := remotePerson(&after.Value.Person)
		noteLink(p, remotePerson(&found), v)
		return printAdmin(p.stdout, form, v)
	})
}

func setRoleRemote(role account.Role) personChange {
	return func(ctx context.Context, r *remote, id string) (client.Result[client.PersonBody], error) {
		return r.SetPersonRole(ctx, id, client.SetPersonRoleParams{IfMatch: "*", IdempotencyKey: rand.Text()}, client.SetPersonRoleRequest{Role: string(role)})
	}
}

// turnPersonRemote is disable, enable or remove.
func turnPersonRemote(name string) personChange {
	return func(ctx context.Context, r *remote, id string) (client.Result[client.PersonBody], error) {
		switch name {
		case "disable":
			return r.DisablePerson(ctx, id, client.DisablePersonParams{IfMatch: "*", IdempotencyKey: rand.Text()})
		case "enable":
			return r.EnablePerson(ctx, id, client.EnablePersonParams{IfMatch: "*", IdempotencyKey: rand.Text()})
		default:
			return r.RemovePerson(ctx, id, client.RemovePersonParams{IfMatch: "*", IdempotencyKey: rand.Text()})
		}
	}
}

// remoteAdminKey is an admin key of the server's as the commands print it.
func remoteAdminKey(k *client.AdminKey) adminKeyView {
	v := adminKeyView{
		ID: k.ID, Masked: k.Masked, Name: k.Name, Role: account.Role(k.Role), Owner: k.Owner, State: k.State, Maker: k.Maker,
		Created: k.Created.UTC().Truncate(time.Second), Reason: k.Reason,
	}
	if k.Expires != nil {
		v.Expires = second(*k.Expires)
	}
	if k.Revoked != nil {
		v.Revoked = second(*k.Revoked)
	}
	return v
}

// createAdminKeyRemote is admins keys create on a server.
func createAdminKeyRemote(cmd *cobra.Command, p *process, form format, spec *login.KeySpec) error {
	return withRemoteAdmins(cmd, p, "", func(r *remote) error {
		body := client.AdminKeySpec{Name: spec.Name, Role: string(spec.Role), Owner: spec.Owner}
		if !spec.Expires.IsZero() {
			body.Expires = &spec.Expires
		}
		made, err := r.CreateAdminKey(cmd.Context(), client.CreateAdminKeyParams{IdempotencyKey: rand.Text()}, body)
		if err != nil {
			return r.adminFailure(cmd, err)
		}
		if made.Replayed {
			return fail(exitServer, fmt.Sprintf("take it away by `warder admins keys revoke %s`, and make another", made.Value.Key.ID),
				"the admin key %s was made, but the answer with its text was lost", made.Value.Key.ID)
		}
		return showAdminKey(p, form, remoteAdminKey(&made.Value.Key), made.Value.Text.Text)
	})
}

// listAdminKeysRemote is admins keys list on a server.
func listAdminKeysRemote(cmd *cobra.Command, p *process, form format) error {
	return withRemoteAdmins(cmd, p, "", func(r *remote) error {
		var all []client.AdminKey
		asked := client.ListAdminKeysParams{Limit: pageSize}
		for more := true; more; more = asked.Cursor != "" {
			page, err := r.ListAdminKeys(cmd.Context(), asked)
			if err != nil {
				return r.adminFailure(cmd, err)
			}
			all, asked.Cursor = append(all, page.Value.Keys...), page.Value.Next
		}
		slices.SortStableFunc(all, func(a, b client.AdminKey) int { return a.Created.Compare(b.Created) })
		views := []adminKeyView{}
		for i := range all {
			views = append(views, remoteAdminKey(&all[i]))
		}
		return printAdminKeys(p.stdout, form, views)
	})
}

// revokeAdminKeyRemote is admins keys revoke on a server.
func revokeAdminKeyRemote(cmd *cobra.Command, p *process, form format, argument, id, reason string) error {
	return withRemoteAdmins(cmd, p, argument, func(r *remote) error {
		done, err := r.RevokeAdminKey(cmd.Context(), id, client.RevokeAdminKeyParams{IfMatch: "*", IdempotencyKey: rand.Text()}, client.RevokeAdminKeyRequest{Reason: reason})
		if p, ok := errors.AsType[*client.Problem](err); ok && p.Kind() == "not-found" && r.IsAdminAPI(cmd.Context()) {
			return noAdminKey(id)
		}
		if err != nil {
			return r.adminFailure(cmd, err)
		}
		return printAdminKey(p.stdout, form, remoteAdminKey(&done.Value.Key))
	})
}
