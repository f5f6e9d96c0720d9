package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/secret"
)

// Prefix begins every admin key. What follows is its role: wadm_developer_...
const Prefix = "wadm"

// KeysConfig configures [Keys]. Store and Peppers are required.
type KeysConfig struct {
	_       [0]func()
	Store   account.Store   // Required.
	Peppers *apikey.Peppers // Required.
	Log     *slog.Logger    // nil: none
}

// Keys issue, revoke and verify admin keys. They are safe for concurrent use; close
// them to stop their goroutines.
type Keys struct {
	store    account.Store
	issuer   *apikey.Issuer
	verifier *apikey.Verifier
	scheme   *KeyScheme
}

// NewKeys reports everything that is wrong with cfg at once.
func NewKeys(cfg KeysConfig) (*Keys, error) {
	if cfg.Store == nil {
		return nil, errors.New("login: Store is missing")
	}
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: keyStore{cfg.Store}, Peppers: cfg.Peppers, Prefix: Prefix})
	if err != nil {
		return nil, err
	}
	// The store is no feed: each request asks it.
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: keyStore{cfg.Store}, Peppers: cfg.Peppers, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	// Other bearer tokens are another scheme's, or nobody's.
	bearer, err := apikey.NewBearer(apikey.BearerConfig{Verifier: verifier, SchemeName: "adminKey", Shared: true, Prefixes: []string{Prefix}})
	if err != nil {
		return nil, errors.Join(err, verifier.Close())
	}
	return &Keys{store: cfg.Store, issuer: issuer, verifier: verifier, scheme: &KeyScheme{bearer, authn.Wrong("role")}}, nil
}

// Close stops what runs in the background.
func (k *Keys) Close() error { return k.verifier.Close() }

// Scheme returns the scheme of admin keys.
func (k *Keys) Scheme() *KeyScheme { return k.scheme }

// A KeySpec says what an admin key is for.
type KeySpec struct {
	Name    string // for people; may be empty
	Role    account.Role
	Owner   string    // of the API's keys, to which it is bound: for it there are no others; "" for none. At most 128 bytes
	Expires time.Time // in the future; zero: never
}

// Issue makes an admin key. Its text is returned here and never again. Errors:
// [account.ErrForbidden], [account.ErrStale], [*account.FieldError],
// [*apikey.SpecError], joined, or what the store returns.
func (k *Keys) Issue(ctx context.Context, by account.Actor, spec KeySpec) (account.Key, secret.Text, error) {
	if !spec.Role.Valid() {
		return account.Key{}, secret.Text{}, &account.FieldError{Field: "role", Reason: "want owner, admin, developer or auditor"}
	}
	if err := by.Manages(false, spec.Role); err != nil {
		return account.Key{}, secret.Text{}, err
	}
	record, text, err := k.issuer.Create(ctx, apikey.By{Actor: by.By, Source: by.Source}, apikey.Spec{
		Environment: apikey.Environment(spec.Role), Name: spec.Name, Owner: spec.Owner, Metadata: madeBy(string(by.ID)), Expires: spec.Expires,
	})
	if err != nil {
		return account.Key{}, secret.Text{}, err
	}
	return keyOf(&record), text, nil
}

// List returns all admin keys, in ascending order of id.
func (k *Keys) List(ctx context.Context) (all []account.Key, err error) {
	const most = 1000
	for after := ""; ; after = all[len(all)-1].ID {
		some, err := k.store.ListKeys(ctx, after, most)
		if err != nil {
			return nil, fmt.Errorf("login: list admin keys: %w", err)
		}
		all = append(all, some...)
		if len(some) < most {
			return all, nil
		}
	}
}

// Revoke ends an admin key for good; see [apikey.Revoke] for the reason. It needs
// no fresh login. Errors: [account.ErrForbidden], [account.ErrNotFound],
// [*apikey.SpecError], or what the store returns.
func (k *Keys) Revoke(ctx context.Context, by account.Actor, id, reason string) (account.Key, error) {
	return k.RevokeAt(ctx, by, id, 0, reason)
}

// RevokeAt is Revoke of the admin key as it was at a revision, 0 for whatever there
// is; else [account.ErrConflict].
func (k *Keys) RevokeAt(ctx context.Context, by account.Actor, id string, revision account.Revision, reason string) (account.Key, error) {
	key, err := k.store.LookupKey(ctx, id)
	if err != nil {
		return account.Key{}, err
	}
	if err := by.Manages(true, key.Role); err != nil {
		return account.Key{}, err
	}
	record, err := k.issuer.RevokeAt(ctx, apikey.By{Actor: by.By, Source: by.Source}, apikey.ID(id), apikey.Revision(revision), reason)
	if err != nil {
		return account.Key{}, unknown(err)
	}
	return keyOf(&record), nil
}

// keyStore is a store of accounts as one of keys, for what apikey does with it:
// create, revoke, and move to another pepper.
type keyStore struct{ accounts account.Store }

func (s keyStore) Lookup(ctx context.Context, id apikey.ID) (apikey.Record, error) {
	k, err := s.accounts.LookupKey(ctx, string(id))
	if err != nil {
		return apikey.Record{}, known(err)
	}
	return recordOf(&k), nil
}

func (s keyStore) Apply(ctx context.Context, c apikey.Change) (apikey.Revision, error) {
	op, ok := map[apikey.Op]account.Op{
		apikey.OpCreate: account.OpKeyCreate, apikey.OpRevoke: account.OpKeyRevoke, apikey.OpRehash: account.OpKeyRehash,
	}[c.Op]
	if !ok || c.After == nil || len(c.After.Secrets) != 1 {
		return 0, errors.New("login: admin keys are created and revoked, and have one secret")
	}
	change := account.Change{Actor: c.Actor, Source: c.Source, Op: op, At: c.At, KeyAfter: new(keyOf(c.After))}
	if c.Before != nil {
		change.KeyBefore = new(keyOf(c.Before))
	}
	revision, err := s.accounts.Apply(ctx, change)
	return apikey.Revision(revision), known(err)
}

// known turns the errors of accounts into those that apikey knows.
func known(err error) error {
	switch {
	case errors.Is(err, account.ErrNotFound):
		return apikey.ErrNotFound
	case errors.Is(err, account.ErrExists):
		return apikey.ErrExists
	case errors.Is(err, account.ErrConflict):
		return apikey.ErrConflict
	default:
		return err
	}
}

// makerName is the name among a record's metadata of the account that made it.
const makerName = "maker"

// madeBy is the metadata of a record of an account's; "" is the command line.
func madeBy(maker string) map[string]string {
	if maker == "" {
		return nil
	}
	return map[string]string{makerName: maker}
}

// unknown is the reverse of known, for whoever asked for accounts.
func unknown(err error) error {
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return account.ErrNotFound
	case errors.Is(err, apikey.ErrConflict):
		return account.ErrConflict
	default:
		return err
	}
}

func recordOf(k *account.Key) apikey.Record {
	return apikey.Record{
		ID: apikey.ID(k.ID), Prefix: Prefix, Environment: apikey.Environment(k.Role), Name: k.Name, Owner: k.Owner, Metadata: madeBy(k.Maker), Created: k.Created, Expires: k.Expires,
		Revoked: k.Revoked, Reason: k.Reason, Secrets: []apikey.Secret{{Digest: k.Digest, Pepper: k.Pepper, Created: k.Created, Number: 1}},
		Revision: apikey.Revision(k.Revision),
	}
}

func keyOf(r *apikey.Record) account.Key {
	return account.Key{
		ID: string(r.ID), Name: r.Name, Role: account.Role(r.Environment), Owner: r.Owner, Maker: r.Metadata[makerName], Digest: r.Secrets[0].Digest, Pepper: r.Secrets[0].Pepper,
		Created: r.Created, Expires: r.Expires, Revoked: r.Revoked, Reason: r.Reason, Revision: account.Revision(r.Revision),
	}
}

// A KeyScheme proves which admin key a bearer token is (RFC 6750, section 2.1). One
// that does not begin like an admin key is absent: another scheme may take it. It is
// safe for concurrent use.
type KeyScheme struct {
	bearer *apikey.Bearer
	role   *authn.Refusal
}

var (
	_ authn.RefusalChallenger = (*KeyScheme)(nil)
	_ authn.Describer         = (*KeyScheme)(nil)
)

// Name returns the scheme's name in OpenAPI.
func (s *KeyScheme) Name() string { return s.bearer.Name() }

// Challenge returns the WWW-Authenticate challenge.
func (s *KeyScheme) Challenge(realm string) string { return s.bearer.Challenge(realm) }

// RefusalChallenge says why a token was refused (RFC 6750, section 3.1).
func (s *KeyScheme) RefusalChallenge(realm, code string, scopes []string) string {
	return s.bearer.RefusalChallenge(realm, code, scopes)
}

// Describe adds the scheme to doc.
func (s *KeyScheme) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(s.Name(), openapi.SecurityScheme{Type: openapi.TypeHTTP, Scheme: "bearer", Description: "An admin key: " + Prefix + "_..."})
}

// Authenticate returns the admin key that the token proves: a principal of
// [account.KeyIssuer] with the scopes of its role, but for managing accounts; and
// with the owner that it is bound to, which leaves it those of [account.Action.OfOwner].
func (s *KeyScheme) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	p, err := s.bearer.Authenticate(x)
	if err != nil {
		return exchange.Principal{}, err
	}
	// The digest covers what the text says, and not what the row does: who writes rows
	// makes neither an admin key of another key nor an owner's of an auditor's.
	role := account.Role(p.Environment)
	if !role.Valid() || !says(x.Request.Header.Get("Authorization"), p.Environment) {
		return exchange.Principal{}, s.role
	}
	p.Issuer, p.Environment, p.Scopes = account.KeyIssuer, "", keyScopes(role, p.Owner != "")
	p.Claims = map[string]any{account.ClaimRole: string(role)}
	return p, nil
}

// says reports whether the key in field, which was proved, is an admin key of role.
func says(field, role string) bool {
	words := strings.Fields(field)
	info, err := apikey.Parse(words[len(words)-1])
	return err == nil && info.Prefix == Prefix && string(info.Environment) == role
}

// keyScopes are those of the role that a machine may have; bound is for one that
// is bound to an owner.
func keyScopes(r account.Role, bound bool) exchange.Scopes {
	var names []string
	for _, name := range r.Scopes().Names() {
		if name != string(account.ManageAccounts) && (!bound || account.Action(name).OfOwner()) {
			names = append(names, name)
		}
	}
	return exchange.LiteralScopes(names...)
}
