package keyimport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/warder-dev/warder/apikey"
)

// A Store is where keys are imported to. The stores of this module are Stores. One
// that is an [apikey.DigestFinder] too, as they are, is asked for many keys at once;
// another, such as one wrapped around them, for one after the other.
type Store interface {
	apikey.Store
	apikey.Batcher
	apikey.LegacyStore
}

// Config configures an [Importer]. Store, Peppers, Open and By are required.
type Config struct {
	_           [0]func()
	Format      Format
	Open        func() (io.ReadCloser, error) // opens the file: once to check it, and once to import it
	Store       Store
	Peppers     *apikey.Peppers
	By          apikey.By
	Prefix      string             // of the secrets that the keys get when they are rolled. Default "wrd".
	Environment apikey.Environment // of keys for which the file names none. Default "live".
	Resume      bool               // passes over what is there already, from an import that was interrupted
	Look        bool               // [Importer.Check] and [Take] ask the store which keys are there already; Take writes nothing then
	Done        *atomic.Int64      // counts entries while they are read; nil for nobody

	held int // in place of MaxHeld, in tests
}

// An Importer brings the keys of one file into a store.
type Importer struct{ cfg Config }

// A Report says what came of an import, or would come of it.
type Report struct {
	Read     int            // entries in the file
	Imported int            // or that would be
	Present  int            // were there already, and are as they were
	There    []int          // of [Take] with Look: which of the entries are, from 0
	Expired  int            // have ended, and are left out
	Texts    int            // of those to be imported: with their text, which becomes an HMAC at once
	Digests  map[string]int // of those: with a digest only, by its format
	Left     map[string]int // fields that say something and have no place in warder, with how many entries have them
	Wrong    int            // entries that cannot be taken over
	Errors   []error        // why: the first [MaxErrors]
}

// MaxErrors is how many errors a [Report] has at most.
const MaxErrors = 50

const (
	batchSize   = apikey.MaxBatch // at first, and where time is short
	maxPairs    = 50
	maxPairName = 64  // bytes
	maxPair     = 512 // bytes
	maxPlan     = 40  // bytes
	maxLimits   = 10
	maxLimit    = 1_000_000_000
)

// ErrPresent means that a key of the file is in the store already: the file was
// imported before.
var ErrPresent = errors.New("is there already: go on with an import that was interrupted by --resume, or take it out of the file")

// New reports everything that is wrong with cfg at once.
func New(cfg Config) (*Importer, error) {
	errs := []error{cfg.complete()}
	if cfg.Open == nil {
		errs = append(errs, errors.New("keyimport: want Open"))
	}
	if !slices.Contains(Formats(), cfg.Format) {
		errs = append(errs, fmt.Errorf("keyimport: format %q: want one of %s", cfg.Format, names()))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Importer{cfg}, nil
}

// complete sets defaults, and reports what every import wants and cfg has not.
func (c *Config) complete() error {
	if c.Prefix == "" {
		c.Prefix = "wrd"
	}
	if c.held == 0 {
		c.held = MaxHeld
	}
	if c.Environment == "" {
		c.Environment = "live"
	}
	if c.Done == nil {
		c.Done = new(atomic.Int64)
	}
	var missing error
	if c.Store == nil || c.Peppers == nil || c.By.Actor == "" || c.By.Source == "" {
		missing = errors.New("keyimport: want Store, Peppers and By")
	}
	return errors.Join(missing, (&apikey.Spec{Environment: c.Environment}).Check(time.Now()))
}

// Check reads the whole file and says what an import would do: whatever is wrong
// with an entry, and which keys are there twice. With Look it asks the store, too,
// which are there already: without Resume they are wrong. The error is non-nil when
// the file cannot be read to its end, or the store gives no answer.
//
// Of each key it holds 16 bytes, and as many of each other form that its text may have
// come in, up to [MaxHeld] of them, and those of more in a temporary file.
func (m *Importer) Check(ctx context.Context) (*Report, error) {
	r := newReport()
	twice := newRepeats(m.cfg.held)
	defer twice.close()
	look := lookout{m: m, report: r}
	err := m.each(ctx, r, func(c apikey.Change, e *Entry) error {
		r.Imported++
		key := m.take(c, e)
		if err := twice.add(&key); err != nil {
			return err
		}
		return look.add(ctx, &key)
	})
	if err == nil {
		err = look.ask(ctx)
	}
	if err == nil {
		err = m.repeated(ctx, r, twice)
	}
	return r, err
}

// Import reads the file and writes its keys in batches, each a transaction: an
// import that is interrupted goes on with Resume, and makes no key twice. An entry
// that cannot be taken over, or is there already, ends it, unless Resume passes
// over the latter. What was written before stays, and the report tells it.
func (m *Importer) Import(ctx context.Context) (*Report, error) {
	r := newReport()
	b := batch{m: m, report: r, size: batchSize, seen: newSeen()}
	err := m.each(ctx, r, func(c apikey.Change, e *Entry) error { return b.add(ctx, c, e) })
	if err == nil && r.Wrong > 0 {
		err = r.Errors[0]
	}
	if err == nil {
		err = b.flush(ctx)
	}
	if written := b.wait(0); err == nil { // whatever else went wrong: what is under way belongs to the report
		err = written
	}
	return r, err
}

func newReport() *Report {
	return &Report{Digests: make(map[string]int), Left: make(map[string]int)}
}

// wrong notes an entry that cannot be taken over.
func (r *Report) wrong(err error) {
	r.Wrong++
	for _, one := range unjoin(err) {
		if len(r.Errors) < MaxErrors {
			r.Errors = append(r.Errors, one)
		}
	}
}

// besides joins what reading an entry found with what else is wrong with it: one
// fault of each field, since a field that cannot be read is not judged as well.
func besides(read, found error) error {
	switch {
	case read == nil:
		return found
	case found == nil || whole(read):
		return read
	}
	all := unjoin(read)
	for _, one := range unjoin(found) {
		field, ok := errors.AsType[*FieldError](one)
		if ok && !slices.ContainsFunc(all, func(err error) bool { return field.of(err) }) {
			all = append(all, one)
		}
	}
	return errors.Join(all...)
}

// whole reports whether err is of an entry as a whole, of which no field is known.
func whole(err error) bool {
	field, ok := errors.AsType[*FieldError](err)
	return ok && strings.HasPrefix(field.Field, "the ")
}

// of reports whether err is of the same field, or of the key, which has two names.
func (e *FieldError) of(err error) bool {
	other, ok := errors.AsType[*FieldError](err)
	key := func(field string) bool { return field == "key" || field == "hash" }
	return ok && (other.Field == e.Field || key(e.Field) && slices.Contains(keyFields(), other.Field))
}

// keyFields are what formats call the key, or what it is read with.
func keyFields() []string {
	return []string{"key", "hash", "format", "key_id", "key_hash", "plaintext", "plugins.key-auth.key"}
}

func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, unjoin(one)...)
		}
		return all
	}
	return []error{err}
}

// each calls use with the change that makes each key of the file.
func (m *Importer) each(ctx context.Context, r *Report, use func(c apikey.Change, e *Entry) error) error {
	f, err := m.cfg.Open()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from
	now := time.Now().UTC().Truncate(time.Millisecond)
	for e, err := range Read(m.cfg.Format, f) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, ok := errors.AsType[*FieldError](err); err != nil && !ok {
			return err
		}
		r.Read++
		m.cfg.Done.Add(1)
		if err == nil && !e.Expires.IsZero() && !e.Expires.After(now) {
			r.Expired++
			continue
		}
		record, found := m.record(&e, r.Read-1, now)
		if err := besides(err, found); err != nil {
			r.wrong(err)
			continue
		}
		r.note(&e)
		if err := use(m.change(&record, now), &e); err != nil {
			return err
		}
	}
	return nil
}

func (m *Importer) change(r *apikey.Record, now time.Time) apikey.Change {
	return apikey.Change{Actor: m.cfg.By.Actor, Source: m.cfg.By.Source, Op: apikey.OpImport, At: now, After: r}
}

// note counts what an entry is.
func (r *Report) note(e *Entry) {
	if e.Format == "" {
		r.Texts++
	} else {
		r.Digests[e.Format]++
	}
	for _, field := range e.Left {
		r.Left[field]++
	}
}

// record returns the key of an entry, which is number n.
func (m *Importer) record(e *Entry, n int, now time.Time) (apikey.Record, error) {
	s, err := m.secret(e, now)
	environment := e.Environment
	if environment == "" {
		environment = m.cfg.Environment
	}
	spec := apikey.Spec{Environment: environment, Name: e.Name, Owner: e.Owner, Scopes: e.Scopes, Expires: e.Expires}
	errs := append([]error{err}, named(e, spec.Check(now))...)
	errs = append(errs, checkMetadata(e), checkPlan(e), checkLimits(e))
	if err := errors.Join(errs...); err != nil {
		return apikey.Record{}, err
	}
	return apikey.Record{
		ID: m.cfg.Peppers.ImportID(n, s), Prefix: m.cfg.Prefix, Environment: environment, Kind: apikey.KindSecret,
		Name: e.Name, Owner: e.Owner, Scopes: e.Scopes, Created: now, Expires: e.Expires.Truncate(time.Millisecond), Disabled: e.Disabled,
		Plan: e.Plan, Limits: e.Limits, Metadata: e.Metadata, Secrets: []apikey.Secret{s},
	}, nil
}

func (m *Importer) secret(e *Entry, now time.Time) (apikey.Secret, error) {
	if e.Format != "" {
		s, err := apikey.ImportDigest(e.Format, e.Digest, now)
		if err != nil {
			return s, e.fault("hash", "is the digest of nothing, or has not the length of its format")
		}
		return s, nil
	}
	s, err := m.cfg.Peppers.ImportText(e.Text, now)
	if err != nil {
		return s, e.fault("key", "%s", strings.TrimPrefix(err.Error(), "apikey: "))
	}
	return s, nil
}

// named gives the errors of a spec their place.
func named(e *Entry, err error) []error {
	if err == nil {
		return nil
	}
	var all []error
	for _, one := range unjoin(err) {
		if spec, ok := errors.AsType[*apikey.SpecError](one); ok {
			one = e.fault(spec.Field, "%s", spec.Reason)
		}
		all = append(all, one)
	}
	return all
}

func checkMetadata(e *Entry) error {
	if len(e.Metadata) > maxPairs {
		return e.fault("metadata", "want at most %d pairs", maxPairs)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(e.Metadata)) {
		value := e.Metadata[name]
		if len(name) > maxPairName || len(value) > maxPair || !printable(name) || !printable(value) {
			reason := fmt.Sprintf("want names of 1 to %d bytes and values of at most %d, both printable UTF-8", maxPairName, maxPair)
			errs = append(errs, &FieldError{e.Place(metadataColumn + name), "metadata", reason})
		}
	}
	if len(e.columns) == 0 && len(errs) > 1 {
		errs = errs[:1] // they do not differ
	}
	return errors.Join(errs...)
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) })
}

func checkPlan(e *Entry) error {
	if len(e.Plan) > maxPlan || strings.Trim(e.Plan, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return e.fault("plan", "want at most %d lower-case letters, digits and ._-", maxPlan)
	}
	return nil
}

func checkLimits(e *Entry) error {
	if len(e.Limits) > maxLimits {
		return e.fault("ratelimits", "want at most %d", maxLimits)
	}
	seen := make(map[string]struct{})
	for _, q := range e.Limits {
		_, twice := seen[q.Name]
		seen[q.Name] = struct{}{}
		if twice || len(q.Name) > maxPlan || strings.Trim(q.Name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" || q.Count > maxLimit {
			return e.fault("ratelimits", "want names of at most %d lower-case letters, digits and ._-, each once, and limits of at most %d", maxPlan, maxLimit)
		}
	}
	return nil
}
