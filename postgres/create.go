package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/warder-dev/warder/apikey"
)

// Many new keys are written by one statement for each table: what the server does
// for a statement is most of what a row costs.
const (
	createKeys = `INSERT INTO keys (id, prefix, environment, name, owner, scopes, created, expires, disabled, revoked, reason, certificate, revision,
			kind, plan, updated, detail)
		SELECT k.id, k.prefix, k.environment, k.name, k.owner, k.scopes::text[], k.created, k.expires, k.disabled, k.revoked, k.reason, k.certificate, k.revision,
			k.kind, k.plan, k.updated, k.detail::json
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::boolean[], $10::timestamptz[],
				$11::text[], $12::bytea[], $13::bigint[], $14::text[], $15::text[], $16::timestamptz[], $17::text[])
			AS k (id, prefix, environment, name, owner, scopes, created, expires, disabled, revoked, reason, certificate, revision, kind, plan, updated, detail)
		ON CONFLICT DO NOTHING`
	createDigests = `INSERT INTO secrets (key_id, position, digest, pepper, created, retires, number, idle_retire, format)
		SELECT * FROM unnest($1::text[], $2::integer[], $3::bytea[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::bigint[], $8::bigint[], $9::text[])
		ON CONFLICT (format, digest) WHERE format <> '' DO NOTHING`
)

// worthJoining is the number of new keys from which they are written together.
const worthJoining = 4

// creates reports whether all writes make keys, and are many enough to be written
// together.
func creates(writes []write) bool {
	if len(writes) < worthJoining {
		return false
	}
	for i := range writes {
		if writes[i].change.Before != nil {
			return false
		}
	}
	return true
}

// queueCreates puts the records of writes that all make keys into the batch, and
// their secrets. types is the connection's.
func queueCreates(batch *pgx.Batch, types *pgtype.Map, writes []write, revisions []apikey.Revision, refuse func(w *write, taken bool)) error {
	var k keyRows
	var s secretRows
	for i := range writes {
		scopes, err := types.Encode(pgtype.TextArrayOID, pgtype.TextFormatCode, writes[i].scopes, nil)
		if err != nil {
			return plain("scopes cannot be stored")
		}
		k.add(&writes[i], string(scopes))
		s.add(writes[i].change.After)
	}
	refused := func() { refuse(&writes[0], true) } // which one it is makes no difference
	batch.Queue(createKeys, k.ids, k.prefixes, k.environments, k.names, k.owners, k.scopes, k.created, k.expires, k.disabled, k.revoked,
		k.reasons, k.certificates, revisions, k.kinds, k.plans, k.updated, k.details).Exec(wantRows(len(writes), refused))
	batch.Queue(createDigests, s.keys, s.positions, s.digests, s.peppers, s.created, s.retires, s.numbers, s.idle, s.formats).Exec(wantRows(len(s.keys), refused))
	return nil
}

// keyRows are records, column by column.
type keyRows struct {
	ids, prefixes, environments, names, owners, scopes, reasons, kinds, plans, details []string
	created, expires, revoked, updated                                                 []*time.Time
	disabled                                                                           []bool
	certificates                                                                       [][]byte
}

func (k *keyRows) add(w *write, scopes string) {
	r := w.change.After
	k.ids, k.prefixes, k.environments = append(k.ids, string(r.ID)), append(k.prefixes, r.Prefix), append(k.environments, string(r.Environment))
	k.names, k.owners, k.scopes = append(k.names, r.Name), append(k.owners, r.Owner), append(k.scopes, scopes)
	k.reasons, k.kinds = append(k.reasons, r.Reason), append(k.kinds, string(r.KindOf()))
	k.plans, k.details = append(k.plans, r.Plan), append(k.details, w.detail)
	k.created, k.expires = append(k.created, stored(r.Created)), append(k.expires, stored(r.Expires))
	k.revoked, k.updated = append(k.revoked, stored(r.Revoked)), append(k.updated, stored(r.Updated))
	k.disabled, k.certificates = append(k.disabled, r.Disabled), append(k.certificates, certificate(r))
}

// secretRows are secrets, column by column.
type secretRows struct {
	keys, peppers, formats []string
	positions              []int32
	digests                [][]byte
	created, retires       []*time.Time
	numbers, idle          []int64
}

func (s *secretRows) add(r *apikey.Record) {
	for i := range r.Secrets {
		one := &r.Secrets[i]
		s.keys, s.positions, s.digests = append(s.keys, string(r.ID)), append(s.positions, int32(i)), append(s.digests, one.Digest[:])
		s.peppers, s.formats = append(s.peppers, one.Pepper), append(s.formats, one.Format)
		s.created, s.retires = append(s.created, stored(one.Created)), append(s.retires, stored(one.Retires))
		s.numbers, s.idle = append(s.numbers, int64(one.Number)), append(s.idle, one.IdleRetire.Milliseconds())
	}
}
