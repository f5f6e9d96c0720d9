package apikey

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

// The formats of imported texts: what [Secret.Digest] is, with that Format.
const (
	FormatText   = "text"   // HMAC-SHA-256 of the text under the pepper: what is known in clear is imported so
	FormatSHA256 = "sha256" // SHA-256 of the text; it becomes FormatText when the text is first seen
	FormatSHA512 = "sha512" // SHA-256 of the SHA-512 of the text; so does it
)

// Formats returns the names of all formats of imported texts.
func Formats() []string { return []string{FormatText, FormatSHA256, FormatSHA512} }

// Bounds of an imported text, in bytes. A shorter one can be guessed.
const (
	minImported = 16
	maxImported = 512
)

// formatCode is a format as the cache has it.
type formatCode uint8

const (
	formatOurs formatCode = iota
	formatText
	formatSHA256
	formatSHA512
	formatOff // one that is not enabled: it matches nothing
)

func codeOf(format string) formatCode {
	switch format {
	case "":
		return formatOurs
	case FormatText:
		return formatText
	case FormatSHA256:
		return formatSHA256
	case FormatSHA512:
		return formatSHA512
	default:
		return formatOff
	}
}

// importable reports whether text can be one of another system: 16 to 512
// printable ASCII characters without a blank, and no key of ours.
func importable(text string) bool {
	if len(text) < minImported || len(text) > maxImported {
		return false
	}
	for i := range len(text) {
		if b := text[i]; b <= ' ' || b > '~' {
			return false
		}
	}
	_, err := Parse(text)
	return err != nil
}

var (
	// ErrImportText means that a text cannot be imported: it is too short or too long,
	// holds blanks or other characters than printable ASCII, or is a key of warder.
	ErrImportText = fmt.Errorf("apikey: want a text of %d to %d printable ASCII characters without blanks, which is no key of warder", minImported, maxImported)

	// ErrImportDigest means that a digest cannot be imported: its format is unknown,
	// or it has not the length of its format, or is that of the empty text.
	ErrImportDigest = errors.New("apikey: want the digest of a text, of the length of its format")
)

// ImportText returns the secret of a key of another system whose text is known. It
// does not hold the text. Errors: [ErrImportText].
func (p *Peppers) ImportText(text secret.Text, created time.Time) (Secret, error) {
	clear := text.Reveal()
	if !importable(clear) {
		return Secret{}, ErrImportText
	}
	pepper := p.current()
	return Secret{Digest: pepper.imported(clear), Pepper: pepper.id, Created: moment(created), Number: 1, Format: FormatText}, nil
}

// ImportedDigests returns what an imported key with this text may be found by, in
// each format and under each pepper: what [Peppers.ImportText] makes of it first. Of
// a text that cannot be imported there is none.
func (p *Peppers) ImportedDigests(text secret.Text) []ImportedDigest {
	clear := text.Reveal()
	if !importable(clear) {
		return nil
	}
	l := legacy{formats: Formats()}
	sums := l.sums(clear, p)
	all := make([]ImportedDigest, len(sums))
	for i := range sums {
		all[i] = ImportedDigest{Format: sums[i].format.name(), Sum: sums[i].sum}
	}
	return all
}

// ImportDigest returns the secret of a key of another system of whose text only
// the digest is known: with format "sha256" the 32 bytes of its SHA-256, with
// "sha512" the 64 of its SHA-512. Errors: [ErrImportDigest].
func ImportDigest(format string, digest []byte, created time.Time) (Secret, error) {
	s := Secret{Created: moment(created), Number: 1, Format: format}
	empty256, empty512 := sha256.Sum256(nil), sha512.Sum512(nil)
	switch {
	case format == FormatSHA256 && len(digest) == sha256.Size && subtle.ConstantTimeCompare(digest, empty256[:]) == 0:
		copy(s.Digest[:], digest)
	case format == FormatSHA512 && len(digest) == sha512.Size && subtle.ConstantTimeCompare(digest, empty512[:]) == 0:
		s.Digest = sha256.Sum256(digest)
	default:
		return Secret{}, ErrImportDigest
	}
	if !slices.ContainsFunc(digest, func(b byte) bool { return b != 0 }) {
		return Secret{}, ErrImportDigest
	}
	return s, nil
}

// importPlace is how many characters of an imported key's id are its place.
const importPlace = 5

// ImportID returns the id of a key with the imported secret that is number n of an
// import, from 0: ids of neighbours are neighbours, so that stores write them
// beside each other. It is the same each time under the same current pepper, and
// tells nothing of the text without that.
func (p *Peppers) ImportID(n int, s Secret) ID {
	sum := macOf(p.current(), "warder imported id\x00"+s.Format+"\x00", s.Digest[:])
	id := make([]byte, idLength)
	for i := importPlace - 1; i >= 0; i-- {
		id[i] = base62[n%len(base62)]
		n /= len(base62)
	}
	for i := importPlace; i < idLength; i++ {
		// 16 bits for each character: none is likelier by more than a thousandth.
		id[i] = base62[(int(sum[2*i])<<8|int(sum[2*i+1]))%len(base62)]
	}
	return ID(id)
}

// imported returns the digest of an imported text under p. Its beginning keeps it
// apart from those of our own texts.
func (p *pepper) imported(text string) [sha256.Size]byte {
	return macOf(p, "warder imported text\x00", text)
}

// macOf returns the HMAC of label and body under p.
func macOf[T string | []byte](p *pepper, label string, body T) [sha256.Size]byte {
	m, _ := p.macs.Get().(*mac)
	m.hash.Reset()
	_, _ = m.hash.Write(m.in[:copy(m.in[:], label)]) // a hash.Hash never returns an error; labels are shorter than keys
	for len(body) > 0 {
		n := copy(m.in[:], body)
		_, _ = m.hash.Write(m.in[:n])
		body = body[n:]
	}
	m.hash.Sum(m.out[:0])
	out := m.out
	clear(m.in[:])
	p.macs.Put(m)
	return out
}

// An importedSum is a digest that an imported text may be found by.
type importedSum struct {
	format formatCode
	pepper *pepper // nil but for formatText
	sum    [32]byte
}

// legacy verifies texts of other systems. nil: none is taken.
type legacy struct {
	formats []string
	store   LegacyStore
	known   hints // which key a text was found under
	unknown hints // which texts were no key's, and at which revision
}

func newLegacy(cfg *VerifierConfig) *legacy {
	if len(cfg.LegacyFormats) == 0 {
		return nil
	}
	store, _ := cfg.Store.(LegacyStore) // check has seen that it is one
	return &legacy{
		formats: slices.Clone(cfg.LegacyFormats), store: store,
		known: newHints(cfg.CacheSize), unknown: newHints(cfg.UnknownCacheSize),
	}
}

func (c *VerifierConfig) checkLegacy() error {
	if len(c.LegacyFormats) == 0 {
		return nil
	}
	var errs []error
	for _, format := range c.LegacyFormats {
		if !slices.Contains(Formats(), format) {
			errs = append(errs, fmt.Errorf("apikey: LegacyFormats: %q: want %s", format, strings.Join(Formats(), ", ")))
		}
	}
	if _, ok := c.Store.(LegacyStore); !ok && c.Store != nil {
		errs = append(errs, errors.New("apikey: LegacyFormats: the store finds no imported keys"))
	}
	return errors.Join(errs...)
}

// code is the format of a stored digest, if it is enabled.
func (l *legacy) code(format string) formatCode {
	if format != "" && (l == nil || !slices.Contains(l.formats, format)) {
		return formatOff
	}
	return codeOf(format)
}

// sums returns every digest that text may be stored as, that under the current
// pepper first: it is computed also where FormatText is not enabled, since texts
// are remembered by it.
func (l *legacy) sums(text string, peppers *Peppers) []importedSum {
	all := make([]importedSum, 0, len(peppers.list)+2)
	for _, p := range peppers.list {
		all = append(all, importedSum{formatText, p, p.imported(text)})
	}
	if slices.Contains(l.formats, FormatSHA256) {
		all = append(all, importedSum{format: formatSHA256, sum: sha256.Sum256([]byte(text))})
	}
	if slices.Contains(l.formats, FormatSHA512) {
		first := sha512.Sum512([]byte(text))
		all = append(all, importedSum{format: formatSHA512, sum: sha256.Sum256(first[:])})
	}
	return all
}

// verifyImported is verify of a text that is no key of ours. All digests of the
// text are computed whatever is known of it, so that the time tells nothing.
func (v *Verifier) verifyImported(ctx context.Context, c claim) (exchange.Principal, error) {
	if v.legacy == nil || !importable(c.text) {
		return exchange.Principal{}, v.refusals.malformed
	}
	if err := ctx.Err(); err != nil {
		return exchange.Principal{}, fmt.Errorf("apikey: verify: %w", err)
	}
	c.sums = v.legacy.sums(c.text, v.cfg.Peppers)
	c.claims(ClaimImported) // so that whoever guesses is counted
	first := &c.sums[0].sum
	if hint, ok := v.legacy.known.find(first); ok {
		c.id = hint.id
		principal, err := v.verify(ctx, c)
		if !errors.Is(err, v.refusals.unknown) && !errors.Is(err, v.refusals.wrong) {
			c.claims(string(c.id))
			return principal, err
		}
		v.legacy.known.forget(first) // the key has another text now, or is gone; another may have this one
	}
	if hint, ok := v.legacy.unknown.find(first); ok && hint.revision == v.Applied() && v.trusted(time.Now()) {
		return exchange.Principal{}, v.refusals.unknown
	}
	return v.importedFromStore(ctx, c)
}

// claims says which key the request claims.
func (c *claim) claims(id string) {
	if c.x != nil {
		c.x.Claim = id
	}
}

// importedFromStore is verifyImported of a text of which nothing is remembered.
func (v *Verifier) importedFromStore(ctx context.Context, c claim) (exchange.Principal, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, v.cfg.LookupTimeout, errBusy)
	defer cancel()
	at, began := v.Applied(), time.Now()
	id, err := v.findImported(ctx, c.sums)
	switch {
	case v.held.Load():
		return exchange.Principal{}, fmt.Errorf("apikey: look up imported key: %w", errRewound)
	case errors.Is(err, ErrNotFound):
		if v.trusted(began) && v.Applied() == at {
			v.legacy.unknown.keep(&c.sums[0].sum, hint{revision: at})
		}
		return exchange.Principal{}, v.refusals.unknown
	case err != nil:
		return exchange.Principal{}, fmt.Errorf("apikey: look up imported key: %w", err)
	}
	v.legacy.known.keep(&c.sums[0].sum, hint{id: id})
	c.id = id
	c.claims(string(id))
	return v.verify(ctx, c)
}

// findImported asks the store for the key with one of the digests, in a goroutine
// of its own like fetch: a store that ignores its context holds nobody.
func (v *Verifier) findImported(ctx context.Context, sums []importedSum) (ID, error) {
	select {
	case v.lookups <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	type answer struct {
		id  ID
		err error
	}
	answers := make(chan answer, 1)
	if !v.start(func() { //nolint:contextcheck // it may outlive the request that began it
		defer func() { <-v.lookups }()
		ctx, cancel := context.WithTimeoutCause(v.ctx, v.cfg.LookupTimeout, errBusy)
		defer cancel()
		id, err := v.legacy.ask(ctx, sums)
		answers <- answer{id, err}
	}) {
		<-v.lookups
		return "", errClosed
	}
	select {
	case a := <-answers:
		return a.id, a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// ask looks each digest up until one is found. Its panic becomes an error.
func (l *legacy) ask(ctx context.Context, sums []importedSum) (id ID, err error) {
	defer func() {
		if recover() != nil {
			id, err = "", errPanic
		}
	}()
	for i := range sums {
		format := sums[i].format.name()
		if !slices.Contains(l.formats, format) {
			continue
		}
		r, err := l.store.LookupDigest(ctx, format, sums[i].sum)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return "", err
		}
		return r.ID, nil
	}
	return "", ErrNotFound
}

func (c formatCode) name() string {
	switch c {
	case formatText:
		return FormatText
	case formatSHA256:
		return FormatSHA256
	case formatSHA512:
		return FormatSHA512
	case formatOurs, formatOff:
		return ""
	default:
		return ""
	}
}

// compareImported returns the secret of e that has one of the text's digests.
func (v *Verifier) compareImported(sums []importedSum, e *entry) (*digest, error) {
	var match *digest
	lacks := false
	for i := range e.digests {
		d := &e.digests[i]
		lacks = lacks || d.format == formatText && d.pepper == nil
		for j := range sums {
			s := &sums[j]
			if s.format == d.format && s.pepper == d.pepper && subtle.ConstantTimeCompare(s.sum[:], d.sum[:]) == 1 {
				match = d
			}
		}
	}
	switch {
	case match != nil:
		return match, nil
	case lacks:
		return nil, errPepper
	default:
		return nil, v.refusals.wrong
	}
}

// hint is what is remembered of a text. It may be out of date: who uses it asks.
type hint struct {
	id       ID
	revision Revision
}

// hints are what is remembered of texts, in bounded memory. When it is full, any
// other makes room.
type hints struct {
	limit int
	seeds [2]maphash.Seed
	mu    sync.Mutex
	all   map[place16]hint
}

// place16 is where a text stands: a hash of its digest under the current pepper,
// with seeds of this process, so that how long a look-up takes tells nothing of
// the digest.
type place16 [2]uint64

func newHints(limit int) hints {
	return hints{limit: limit, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, all: make(map[place16]hint)}
}

func (h *hints) place(sum *[32]byte) place16 {
	return place16{maphash.Bytes(h.seeds[0], sum[:]), maphash.Bytes(h.seeds[1], sum[:])}
}

func (h *hints) find(sum *[32]byte) (hint, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	found, ok := h.all[h.place(sum)]
	return found, ok
}

func (h *hints) keep(sum *[32]byte, one hint) {
	at := h.place(sum)
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, has := h.all[at]; !has && len(h.all) >= h.limit {
		for other := range h.all {
			delete(h.all, other)
			break
		}
	}
	if len(h.all) < h.limit {
		h.all[at] = one
	}
}

func (h *hints) forget(sum *[32]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, h.place(sum))
}

// clear forgets everything: the store went back, and its revisions with it.
func (l *legacy) clear() {
	if l == nil {
		return
	}
	for _, h := range []*hints{&l.known, &l.unknown} {
		h.mu.Lock()
		clear(h.all)
		h.mu.Unlock()
	}
}
