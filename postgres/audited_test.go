package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/usage"
)

// kept is all that the stores hold, but for the log.
const kept = `SELECT coalesce((SELECT string_agg(k::text, '') FROM warder.keys k), '') || ';' || coalesce((SELECT string_agg(s::text, '') FROM warder.secrets s), '') || ';'
	|| (SELECT count(*) FROM warder.changes) || ';' || coalesce((SELECT string_agg(c::text, '') FROM warder.credits c), '') || ';'
	|| coalesce((SELECT string_agg(a::text, '') FROM warder.accounts a), '') || ';' || coalesce((SELECT string_agg(k::text, '') FROM warder.admin_keys k), '') || ';'
	|| coalesce((SELECT string_agg(s::text, '') FROM warder.sessions s), '') || ';' || coalesce((SELECT string_agg(p::text, '') FROM warder.portal_passes p), '') || ';'
	|| coalesce((SELECT string_agg(o::text, '') FROM warder.owners o), '')`

// A kind of change that the stores know, with the entries that it leaves.
type kind struct {
	name    string
	make    func(ctx context.Context, db *postgres.DB) error
	entries string
}

// kinds are run one after the other on one database.
func kinds() []kind {
	at, id := time.Now().UTC().Truncate(time.Microsecond), string(keyID(1))
	by := audit.By{Actor: "user:ada", Source: "cli"}
	keys := func(f func(ctx context.Context, keys *postgres.APIKeys) error) func(context.Context, *postgres.DB) error {
		return func(ctx context.Context, db *postgres.DB) error { return f(ctx, db.APIKeys()) }
	}
	of := func(change func(ctx context.Context, s apikey.Store, by apikey.By, id apikey.ID) (apikey.Record, error)) func(context.Context, *postgres.DB) error {
		return keys(func(ctx context.Context, keys *postgres.APIKeys) error {
			_, err := change(ctx, keys, apikey.By(by), keyID(1))
			return err
		})
	}
	altered := func(op apikey.Op, alter func(r *apikey.Record)) func(context.Context, *postgres.DB) error {
		return keys(func(ctx context.Context, keys *postgres.APIKeys) error {
			before, err := keys.Lookup(ctx, keyID(1))
			if err != nil {
				return err
			}
			after := before
			c := apikey.Change{Actor: by.Actor, Source: by.Source, Op: op, At: at, Before: &before, After: &after}
			if alter(&after); op == apikey.OpDelete {
				c.After = nil
			}
			_, err = keys.Apply(ctx, c)
			return err
		})
	}
	credits := func(op usage.Op, s usage.Subject) func(context.Context, *postgres.DB) error {
		return func(ctx context.Context, db *postgres.DB) error {
			_, err := db.Credits().Apply(ctx, usage.Change{Actor: by.Actor, Source: by.Source, At: at, Subject: s, Op: op, Amount: 5})
			return err
		}
	}
	key := usage.Subject{Kind: usage.Key, ID: id}
	pass := portallink.Pass{ID: "aaaaaaaaaaaaaaaa", Owner: "acme", Link: portallink.Digest{1}, Created: at, Expires: at.Add(time.Hour), Life: time.Hour}
	return append([]kind{
		{"create", keys(func(ctx context.Context, keys *postgres.APIKeys) error {
			_, err := keys.Apply(ctx, newKey(1))
			return err
		}), "create key " + id},
		{"disable", of(apikey.Disable), "disable key " + id},
		{"enable", of(apikey.Enable), "enable key " + id},
		{"update", altered(apikey.OpUpdate, func(r *apikey.Record) { r.Name = "another" }), "update key " + id},
		{"roll", altered(apikey.OpRoll, func(r *apikey.Record) {
			r.Secrets = append([]apikey.Secret{{Digest: [32]byte{7}, Pepper: "0badcafe", Created: at, Number: 2}}, r.Secrets...)
			r.Secrets[1].Retires = at.Add(time.Hour)
		}), "roll key " + id},
		{"rehash", altered(apikey.OpRehash, func(r *apikey.Record) {
			r.Secrets = append([]apikey.Secret(nil), r.Secrets...)
			r.Secrets[0].Digest, r.Secrets[0].Pepper = [32]byte{9}, "feedf00d"
		}), "rehash key " + id},
		{"batch", keys(func(ctx context.Context, keys *postgres.APIKeys) error {
			_, err := keys.ApplyAll(ctx, []apikey.Change{newKey(2), newKey(3)})
			return err
		}), "create key " + string(keyID(2)) + "; create key " + string(keyID(3))},
		{"credits", credits(usage.OpSet, key), "set credits " + id},
		{"more credits", credits(usage.OpAdd, key), "add credits " + id},
		{"credits of an owner", credits(usage.OpSet, usage.Subject{Kind: usage.Owner, ID: "acme"}), "set credits owner:acme"},
		{"revoke", altered(apikey.OpRevoke, func(r *apikey.Record) { r.Revoked, r.Reason = at, "superseded" }), "revoke key " + id},
		{"delete", altered(apikey.OpDelete, func(*apikey.Record) {}), "delete key " + id},
		{"a link", func(ctx context.Context, db *postgres.DB) error { return db.Portal().Create(ctx, by, pass) }, "create portal aaaaaaaaaaaaaaaa"},
		{"a link that is used", func(ctx context.Context, db *postgres.DB) error {
			return db.Portal().Use(ctx, by, pass.ID, portallink.Digest{2}, at, at.Add(time.Hour))
		}, "use portal aaaaaaaaaaaaaaaa"},
		{"a link that ends", func(ctx context.Context, db *postgres.DB) error { return db.Portal().End(ctx, by, pass.ID, at) }, "end portal aaaaaaaaaaaaaaaa"},
		{"a record of an owner", func(ctx context.Context, db *postgres.DB) error {
			_, err := apikey.CreateOwner(ctx, db.Owners(), apikey.By(by), apikey.OwnerSpec{ID: "acme"})
			return err
		}, "create owner acme"},
		{"another name of an owner", func(ctx context.Context, db *postgres.DB) error {
			_, _, err := apikey.PutOwner(ctx, db.Owners(), apikey.By(by), apikey.OwnerSpec{ID: "acme", Name: "Acme"}, 0)
			return err
		}, "update owner acme"},
		{"no record of an owner", func(ctx context.Context, db *postgres.DB) error {
			return apikey.DeleteOwner(ctx, db.Owners(), apikey.By(by), "acme", 0)
		}, "delete owner acme"},
		{"sessions", func(ctx context.Context, db *postgres.DB) error {
			_, err := db.Sessions().RevokeUser(ctx, by, "https://idp.example", "bob")
			return err
		}, "revoke sessions https://idp.example bob"},
		{"everybody's sessions", func(ctx context.Context, db *postgres.DB) error {
			_, err := db.Sessions().RevokeAll(ctx, by)
			return err
		}, "revoke sessions *"},
	}, kindsOfAccounts(by, at)...)
}

// kindsOfAccounts are those of who administers.
func kindsOfAccounts(by audit.By, at time.Time) []kind {
	apply := func(c func(ctx context.Context, s *postgres.Accounts) (account.Change, error)) func(context.Context, *postgres.DB) error {
		return func(ctx context.Context, db *postgres.DB) error {
			change, err := c(ctx, db.Accounts())
			if err != nil {
				return err
			}
			change.Actor, change.Source = by.Actor, by.Source
			_, err = db.Accounts().Apply(ctx, change)
			return err
		}
	}
	machine := account.Key{ID: "k1", Role: account.Auditor, Pepper: "p", Created: at}
	return []kind{
		{"somebody", apply(func(context.Context, *postgres.Accounts) (account.Change, error) { return newOwner("a", "ada"), nil }), "create account a"},
		{"an owner", apply(func(context.Context, *postgres.Accounts) (account.Change, error) { return newOwner("b", "bob"), nil }), "create account b"},
		{"another name", apply(func(ctx context.Context, s *postgres.Accounts) (account.Change, error) {
			before, err := s.Lookup(ctx, "b")
			after := before
			after.Email = "bob@example.com"
			return account.Change{Op: account.OpDescribe, At: at, Before: &before, After: &after}, err
		}), "describe account b"},
		{"gone", apply(func(ctx context.Context, s *postgres.Accounts) (account.Change, error) {
			before, err := s.Lookup(ctx, "b")
			return account.Change{Op: account.OpRemove, At: at, Before: &before}, err
		}), "remove account b"},
		{"an admin key", apply(func(context.Context, *postgres.Accounts) (account.Change, error) {
			return account.Change{Op: account.OpKeyCreate, At: at, KeyAfter: &machine}, nil
		}), "create-key admin-key k1"},
		{"an admin key that is revoked", apply(func(ctx context.Context, s *postgres.Accounts) (account.Change, error) {
			before, err := s.LookupKey(ctx, "k1")
			after := before
			after.Revoked = at
			return account.Change{Op: account.OpKeyRevoke, At: at, KeyBefore: &before, KeyAfter: &after}, err
		}), "revoke-key admin-key k1"},
	}
}

// Each change leaves exactly one entry for each thing that it changed, in its own
// transaction: while the server refuses either half, neither is there.
func TestEachChangeLeavesOneEntry(t *testing.T) {
	attack.Case(t, "AUDIT-01", attack.Library, func(t *testing.T) {
		server := pool.Server(t)
		name := server.Database(t, prepare(t))
		db := open(t, server.URL(testpostgres.Superuser, name))
		for n := range byte(3) {
			at := time.Now()
			if err := db.Sessions().Create(t.Context(), session.Record{
				Digest: session.Digest{n}, User: session.User{Issuer: "https://idp.example", Subject: []string{"ada", "bob", "cleo"}[n], AuthenticatedAt: at},
				Created: at, LastUsed: at, IdleExpires: at.Add(time.Hour), Expires: at.Add(time.Hour),
			}); err != nil {
				t.Fatal(err)
			}
		}
		exec := func(statement string) {
			t.Helper()
			if err := server.TryAs(t, testpostgres.Superuser, name, statement); err != nil {
				t.Fatal(err)
			}
		}
		// What refuses is chosen by a row, so that no table is altered in between.
		exec(`CREATE TABLE public.fault (half text); INSERT INTO public.fault VALUES ('');
			CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF (SELECT half FROM public.fault) = TG_ARGV[0] THEN RAISE EXCEPTION 'no room'; END IF;
				RETURN coalesce(NEW, OLD);
			END $$`)
		for _, on := range []string{
			"INSERT ON warder.changes", "INSERT ON warder.account_changes", "INSERT OR UPDATE ON warder.credits", "INSERT OR UPDATE ON warder.portal_passes", "DELETE ON warder.sessions",
			"INSERT OR UPDATE OR DELETE ON warder.owners",
		} {
			exec(`CREATE TRIGGER refused BEFORE ` + on + ` FOR EACH ROW EXECUTE FUNCTION public.refuse('the change')`)
		}
		exec(`CREATE TRIGGER refused BEFORE INSERT ON warder.audit FOR EACH ROW EXECUTE FUNCTION public.refuse('the entry')`)
		refuse := func(half string) { t.Helper(); exec(`UPDATE public.fault SET half = '` + half + `'`) }
		for _, k := range kinds() {
			head, err := db.Audit().Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			was := server.Query(t, name, kept)
			for _, half := range []string{"the entry", "the change"} {
				refuse(half)
				if err := k.make(t.Context(), db); err == nil {
					t.Errorf("%s: no error, although the server refuses %s", k.name, half)
				}
				refuse("")
				if now, err := db.Audit().Head(t.Context()); err != nil || now != head || server.Query(t, name, kept) != was {
					t.Errorf("%s: half of it is there while the server refuses %s (%v)", k.name, half, err)
				}
			}
			if err := k.make(t.Context(), db); err != nil {
				t.Fatalf("%s: %v", k.name, err)
			}
			entries, err := db.Audit().List(t.Context(), audit.Query{After: head.Seq, Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range entries {
				if got = append(got, e.Op+" "+e.Kind+" "+e.Subject); e.Actor != "user:ada" || e.Source != "cli" {
					t.Errorf("%s: the entry is by %q from %q", k.name, e.Actor, e.Source)
				}
			}
			if strings.Join(got, "; ") != k.entries {
				t.Errorf("%s left %q, want %q", k.name, got, k.entries)
			}
			if server.Query(t, name, kept) == was {
				t.Errorf("%s changed nothing: this shows nothing", k.name)
			}
		}
		if _, err := audit.Verify(t.Context(), db.Audit(), nil, nil); err != nil {
			t.Error(err)
		}
	})
}
