package postgres_test

import (
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/accounttest"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/apikeytest"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/audit/audittest"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/internal/idempotency/idempotencytest"
	"github.com/warder-dev/warder/internal/portallink/portallinktest"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/sessiontest"
	"github.com/warder-dev/warder/usage"
	"github.com/warder-dev/warder/usage/tally"
	"github.com/warder-dev/warder/usage/tally/tallytest"
	"github.com/warder-dev/warder/usage/usagetest"
	"github.com/warder-dev/warder/webhook"
	"github.com/warder-dev/warder/webhook/webhooktest"
)

const emptyTables = `DELETE FROM warder.secrets; DELETE FROM warder.keys; DELETE FROM warder.changes; UPDATE warder.revisions SET newest = 0;
			DELETE FROM warder.sessions; DELETE FROM warder.webhook_deliveries; DELETE FROM warder.credit_reservations; DELETE FROM warder.credits;
			DELETE FROM warder.accounts; DELETE FROM warder.admin_keys; DELETE FROM warder.account_changes;
			DELETE FROM warder.usage_counts; DELETE FROM warder.usage_secrets; DELETE FROM warder.usage_scopes; DELETE FROM warder.usage_addresses; DELETE FROM warder.attempts; DELETE FROM warder.portal_passes; DELETE FROM warder.owners;
			UPDATE warder.usage_cover SET detail = '';
			SET session_replication_role = replica; DELETE FROM warder.audit; DELETE FROM warder.audit_checkpoints`

// emptied returns a func that opens one database, emptied each time: the suites run
// their tests one after the other.
func emptied(t *testing.T) func(t *testing.T) *postgres.DB {
	t.Helper()
	server := pool.Server(t)
	name := server.Database(t, prepare(t))
	return func(t *testing.T) *postgres.DB {
		t.Helper()
		server.Exec(t, name, emptyTables)
		return open(t, server.URL(testpostgres.Superuser, name))
	}
}

func TestAPIKeys(t *testing.T) {
	db := emptied(t)
	apikeytest.TestStore(t, func(t *testing.T) apikeytest.Full { t.Helper(); return db(t).APIKeys() })
}

func TestAPIKeysInSteps(t *testing.T) {
	keys := open(t, newURL(t)).APIKeys()
	apikeytest.TestSteps(t, keys, func(some int) apikey.Finder { return postgres.Stepping(keys, some) })
}

func TestTextIsLiteral(t *testing.T) {
	attack.Case(t, "SQL-07", attack.Library, func(t *testing.T) { apikeytest.TestText(t, open(t, newURL(t)).APIKeys()) })
}

func TestAudit(t *testing.T) {
	db := emptied(t)
	audittest.TestStore(t, func(t *testing.T) audit.Store { t.Helper(); return db(t).Audit() })
}

func TestOutbox(t *testing.T) {
	db := emptied(t)
	webhooktest.TestOutbox(t, func(t *testing.T) webhook.Outbox { t.Helper(); return db(t).Outbox() })
}

func TestSessions(t *testing.T) {
	db := emptied(t)
	sessiontest.TestStore(t, func(t *testing.T) session.Store { t.Helper(); return db(t).Sessions() })
}

func TestCredits(t *testing.T) {
	db := emptied(t)
	usagetest.TestStore(t, func(t *testing.T) usage.Store { t.Helper(); return db(t).Credits() })
}

func TestCreditsOfOwners(t *testing.T) {
	db := emptied(t)
	usagetest.TestOwners(t, func(t *testing.T) (usage.Store, func(t *testing.T, id, owner string)) {
		t.Helper()
		of := db(t)
		return of.Credits(), func(t *testing.T, id, owner string) {
			t.Helper()
			apikeytest.Own(t, of.APIKeys(), apikey.ID(id), owner)
		}
	})
}

func TestAccounts(t *testing.T) {
	db := emptied(t)
	accounttest.TestStore(t, func(t *testing.T) account.Store { t.Helper(); return db(t).Accounts() })
}

func TestUsage(t *testing.T) {
	db := emptied(t)
	tallytest.TestStore(t, func(t *testing.T) tally.Store { t.Helper(); return db(t).Usage() })
}

func TestAttempts(t *testing.T) {
	db := emptied(t)
	idempotencytest.TestStore(t, func(t *testing.T, most int) idempotency.Store { t.Helper(); return db(t).Attempts(most) })
}

func TestUsageCover(t *testing.T) {
	db := emptied(t)
	tallytest.TestCover(t, func(t *testing.T) tally.CoverStore { t.Helper(); return db(t) })
}

func TestPortal(t *testing.T) {
	db := emptied(t)
	portallinktest.TestStore(t, func(t *testing.T) portallinktest.Fresh {
		t.Helper()
		one := db(t)
		return portallinktest.Fresh{Store: one.Portal(), Entries: func(t *testing.T, subject string) (all []audit.Event) {
			t.Helper()
			entries, err := one.Audit().List(t.Context(), audit.Query{Subject: subject, Kind: audit.KindPortal, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				all = append(all, e.Event)
			}
			return all
		}}
	})
}
