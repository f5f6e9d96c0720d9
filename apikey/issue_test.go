package apikey_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

// drawn is how many bytes a key takes when none is rejected.
const drawn = 12 + 32

// ascending returns n bytes of which none is rejected for bias.
func ascending(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// failing gives the bytes, and then an error.
func failing(b []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(b), iotest.ErrReader(errDown))
}

// endless repeats the bytes for ever.
type endless struct {
	bytes []byte
	at    int
}

func (r *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.bytes[r.at%len(r.bytes)]
		r.at++
	}
	return len(p), nil
}

// applying counts the changes of a store, and lets each fail that it has an error for.
type applying struct {
	apikey.MemoryStore
	applied int
	errs    []error
}

func (s *applying) Apply(ctx context.Context, c apikey.Change) (apikey.Revision, error) {
	s.applied++
	if s.applied <= len(s.errs) && s.errs[s.applied-1] != nil {
		return 0, s.errs[s.applied-1]
	}
	return s.MemoryStore.Apply(ctx, c)
}

// createFrom creates a key from a random source.
func createFrom(t *testing.T, store apikey.Store, random io.Reader) (apikey.Record, string, error) {
	t.Helper()
	peppers, _ := newPeppers(t, 1)
	issuer := newIssuer(t, apikey.IssuerConfig{Store: store, Peppers: peppers, Random: random})
	record, text, err := issuer.Create(t.Context(), by(), apikey.Spec{Environment: "live", Owner: "a"})
	return record, reveal(text), err
}

func TestRandomSource(t *testing.T) {
	attack.Case(t, "KEY-13", attack.Library, func(t *testing.T) {
		t.Run("fails at any byte", randomFails)
		t.Run("is stuck or repeats itself", randomRepeats)
		t.Run("of a pepper", randomPepper)
	})
}

// randomFails covers the injected source. That crypto/rand fails cannot be
// tested: since Go 1.24 its Read never returns an error, and ends the process.
func randomFails(t *testing.T) {
	rejected := bytes.Repeat([]byte{255}, drawn) // a first round that yields nothing
	for n := range 2 * drawn {
		source := ascending(0, n)
		if n >= drawn {
			source = slices.Concat(rejected, source[:n-drawn])
		}
		store := new(applying)
		record, text, err := createFrom(t, store, failing(source))
		if !errors.Is(err, errDown) || text != "" || !reflect.DeepEqual(record, apikey.Record{}) || store.applied != 0 {
			t.Errorf("source fails after %d bytes: %v, a text of %d bytes, %d changes, want its error and nothing else", n, err, len(text), store.applied)
		}
	}
	for name, source := range map[string][]byte{"one round": ascending(0, drawn), "two rounds": slices.Concat(rejected, ascending(0, drawn))} {
		if _, text, err := createFrom(t, new(applying), failing(source)); err != nil || len(text) != 59 {
			t.Errorf("%s, just enough: %v, a text of %d bytes, want 59", name, err, len(text))
		}
	}
}

func randomRepeats(t *testing.T) {
	for name, source := range map[string][]byte{
		"zeros": {0}, "ones": {255}, "rejected bytes only": {248, 249, 255}, "four bytes": []byte("abcd"), "ten bytes": []byte("0123456789"),
		"one character of many": ascending(0, 1),
	} {
		store := new(applying)
		if _, text, err := createFrom(t, store, &endless{bytes: source}); err == nil || text != "" || store.applied != 0 {
			t.Errorf("%s again and again: %v, a text of %d bytes, %d changes, want an error and nothing else", name, err, len(text), store.applied)
		}
	}
}

func randomPepper(t *testing.T) {
	for n := range 32 {
		if line, err := apikey.NewPepper(failing(ascending(0, n))); !errors.Is(err, errDown) || line != "" {
			t.Errorf("source fails after %d bytes: %v, a line of %d bytes, want its error", n, err, len(line))
		}
	}
	for _, source := range []string{"\x00", "ab", "secret"} {
		if line, err := apikey.NewPepper(&endless{bytes: []byte(source)}); err == nil || line != "" {
			t.Errorf("a source of %d bytes again and again: a pepper of it", len(source))
		}
	}
	line, err := apikey.NewPepper(failing(ascending(0, 32)))
	if err != nil || len(parsePeppers(t, line).IDs()) != 1 {
		t.Errorf("just enough: %v", err)
	}
}

func TestTakenID(t *testing.T) {
	attack.Case(t, "KEY-14", attack.Library, func(t *testing.T) {
		first, second := ascending(0, drawn), ascending(50, drawn)
		t.Run("another id; the old record untouched", func(t *testing.T) { takenOnce(t, first, second) })
		t.Run("tries are bounded", func(t *testing.T) { takenAlways(t, first) })
	})
}

func takenOnce(t *testing.T, first, second []byte) {
	t.Helper()
	store := new(applying)
	old, _, err := createFrom(t, store, bytes.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	before, err := store.Lookup(t.Context(), old.ID)
	if err != nil {
		t.Fatal(err)
	}
	next, text, err := createFrom(t, store, bytes.NewReader(slices.Concat(first, second)))
	if err != nil || next.ID == old.ID || text[9:21] != string(next.ID) {
		t.Fatalf("second key: id %q beside %q, %v, want another id", next.ID, old.ID, err)
	}
	after, err := store.Lookup(t.Context(), old.ID)
	if err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("the older record is %+v (%v), want it as it was: %+v", after, err, before)
	}
}

func takenAlways(t *testing.T, bytesOfOne []byte) {
	t.Helper()
	store := new(applying)
	if _, _, err := createFrom(t, store, bytes.NewReader(bytesOfOne)); err != nil {
		t.Fatal(err)
	}
	store.applied = 0
	_, text, err := createFrom(t, store, &endless{bytes: bytesOfOne})
	if !errors.Is(err, apikey.ErrExists) || text != "" || store.applied != 5 {
		t.Errorf("%v, a text of %d bytes, %d tries, want ErrExists after 5", err, len(text), store.applied)
	}
}

func TestCreate(t *testing.T) {
	h := newHouse(t)
	expires := time.Now().Add(time.Hour)
	spec := apikey.Spec{Environment: "test", Name: "CI", Owner: "customer-7", Scopes: []string{"orders:read"}, Expires: expires}
	record, text := h.createSpec(t, spec)
	spec.Scopes[0] = "changed"
	stored, err := h.store.Lookup(t.Context(), record.ID)
	if err != nil || !reflect.DeepEqual(stored, record) {
		t.Errorf("stored %+v, %v, want what Create returned: %+v", stored, err, record)
	}
	if record.Revision == 0 || record.Scopes[0] != "orders:read" || !record.Expires.Equal(expires.Truncate(time.Millisecond)) || record.Prefix != "wrd" {
		t.Errorf("record = %+v", record)
	}
	info, err := apikey.Parse(text)
	if err != nil || info != (apikey.Info{Prefix: "wrd", Environment: "test", ID: record.ID}) {
		t.Errorf("Parse = %+v, %v", info, err)
	}
}

func TestCreateWhenTheStoreFails(t *testing.T) {
	store := &applying{errs: []error{errDown}}
	var told []apikey.ID
	peppers, _ := newPeppers(t, 1)
	issuer := newIssuer(t, apikey.IssuerConfig{Store: store, Peppers: peppers, Changed: func(id apikey.ID) { told = append(told, id) }})
	record, text, err := issuer.Create(t.Context(), by(), apikey.Spec{Environment: "live"})
	if !errors.Is(err, errDown) || !text.IsZero() || record.ID != "" || store.applied != 1 {
		t.Errorf("%+v, %v, %d tries, want the store's error and nothing else", record, err, store.applied)
	}
	if len(told) != 1 {
		t.Errorf("Changed was told of %v, want the id that may exist", told)
	}
	record, _, err = issuer.Create(t.Context(), by(), apikey.Spec{Environment: "live"})
	if err != nil || len(told) != 2 || told[1] != record.ID {
		t.Errorf("%v, Changed was told of %v, want %q last", err, told, record.ID)
	}
}

func TestNewIssuerReportsEveryErrorAtOnce(t *testing.T) {
	for _, prefix := range []string{"W", "1a", "a_b", "ä", strings.Repeat("a", 17)} {
		_, err := apikey.NewIssuer(apikey.IssuerConfig{Prefix: prefix, Random: rand.Reader})
		for _, want := range []string{"Store", "pepper", "prefix"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("prefix %q: error %v does not mention %s", prefix, err, want)
			}
		}
	}
}
