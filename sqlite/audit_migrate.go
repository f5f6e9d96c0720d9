package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	_ "embed" // for the schema
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/usage"
)

//go:embed audit.sql
var auditSchema string

// auditVersion is the version of the schema that has the audit log. It is made by
// code, since SQL alone cannot hash what was written before.
const auditVersion = 6

func auditMigration() *goose.Migration {
	return goose.NewGoMigration(auditVersion, &goose.GoFunc{RunTx: migrateAudit}, nil)
}

const (
	keyChangesBefore    = `SELECT revision, at, actor, source, op, key_id, before, after FROM changes WHERE revision > ?1 ORDER BY revision LIMIT 500`
	creditChangesBefore = `SELECT number, at, actor, source, op, kind, id, before, after FROM credit_changes WHERE number > ?1 ORDER BY number LIMIT 500`
)

// migrateAudit makes the log, chains what the lists of changes hold, each list in
// its own order and both together by time, and takes it out of them: what is left
// of the changes of keys is what nodes follow.
func migrateAudit(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, auditSchema); err != nil {
		return err
	}
	lists := []*formerList{{query: keyChangesBefore, scan: scanKeyChange}, {query: creditChangesBefore, scan: scanCreditChange}}
	log := chain{tx: tx}
	for {
		e, err := earliest(ctx, tx, lists)
		if err != nil {
			return err
		}
		if e == nil {
			break
		}
		if _, err := log.add(ctx, *e); err != nil {
			return err
		}
	}
	for _, statement := range []string{
		`ALTER TABLE changes DROP COLUMN at`, `ALTER TABLE changes DROP COLUMN actor`, `ALTER TABLE changes DROP COLUMN source`,
		`ALTER TABLE changes DROP COLUMN op`, `ALTER TABLE changes DROP COLUMN before`, `ALTER TABLE changes DROP COLUMN after`,
		`DROP TABLE credit_changes`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// A formerList is one list of changes, read in pages.
type formerList struct {
	query string
	scan  func(rows *sql.Rows) (int64, audit.Event, error)
	last  int64 // number of the last change that was read
	page  []audit.Event
	ended bool
}

// earliest takes the next event of the list whose next one is the earliest; nil
// when all lists have ended.
func earliest(ctx context.Context, tx *sql.Tx, lists []*formerList) (*audit.Event, error) {
	var first *formerList
	for _, l := range lists {
		if len(l.page) == 0 && !l.ended {
			if err := l.read(ctx, tx); err != nil {
				return nil, err
			}
		}
		if len(l.page) > 0 && (first == nil || l.page[0].At.Before(first.page[0].At)) {
			first = l
		}
	}
	if first == nil {
		return nil, nil
	}
	e := first.page[0]
	first.page = first.page[1:]
	return &e, nil
}

func (l *formerList) read(ctx context.Context, tx *sql.Tx) (err error) {
	rows, err := tx.QueryContext(ctx, l.query, l.last)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		number, e, err := l.scan(rows)
		if err != nil {
			return fmt.Errorf("change %d: %w", l.last+1, errRow)
		}
		l.last, l.page = number, append(l.page, e)
	}
	l.ended = len(l.page) == 0
	return rows.Err()
}

func scanKeyChange(rows *sql.Rows) (number int64, e audit.Event, err error) {
	e.Kind = audit.KindKey
	var at int64
	var before, after sql.NullString
	err = rows.Scan(&number, &at, &e.Actor, &e.Source, &e.Op, &e.Subject, &before, &after)
	e.At, e.Before, e.After = formerTime(at), formerState(before), formerState(after)
	return number, e, err
}

func scanCreditChange(rows *sql.Rows) (number int64, e audit.Event, err error) {
	e.Kind = audit.KindCredits
	var at int64
	var s usage.Subject
	var before, after sql.NullString
	err = rows.Scan(&number, &at, &e.Actor, &e.Source, &e.Op, &s.Kind, &s.ID, &before, &after)
	e.At, e.Before, e.After, e.Subject = formerTime(at), formerState(before), formerState(after), s.AuditSubject()
	return number, e, err
}

// formerTime is a time that the log takes.
func formerTime(micros int64) time.Time {
	last := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMicro()
	return time.UnixMicro(min(max(micros, 0), last)).UTC()
}

// formerState is a state that the log takes: what is not JSON, as a text.
func formerState(text sql.NullString) json.RawMessage {
	if !text.Valid || json.Valid([]byte(text.String)) {
		return json.RawMessage(cmp.Or(text.String, "null"))
	}
	quoted, err := json.Marshal(text.String)
	if err != nil {
		return nil
	}
	return quoted
}
