package keyimport

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// tykKey is a key with its session, as the dashboard's API lists them.
type tykKey struct {
	Key  string     `json:"key"`
	ID   string     `json:"key_id"`
	Hash string     `json:"key_hash"`
	Data tykSession `json:"data"`
}

// tykSession is what is taken over of a session, and what else says something.
type tykSession struct {
	Alias    string                     `json:"alias"`
	Expires  int64                      `json:"expires"` // Unix seconds; 0 and -1: never
	Inactive bool                       `json:"is_inactive"`
	Meta     map[string]json.RawMessage `json:"meta_data"`
	Org      string                     `json:"org_id"`
	Policies []string                   `json:"apply_policies"`
	Tags     []string                   `json:"tags"`
	Rights   json.RawMessage            `json:"access_rights"`
	Rate     float64                    `json:"rate"`
	Quota    int64                      `json:"quota_max"`
}

// readTyk reads an array, an object with it as "keys" or "data", or one object
// after another.
func readTyk(r io.Reader, yield func(Entry, error) bool) error {
	buffered := bufio.NewReaderSize(r, 64<<10)
	first, err := begins(buffered)
	if errors.Is(err, io.EOF) {
		return errEmpty
	}
	if err != nil {
		return err
	}
	d := newSource(buffered)
	one := func(i int) error { return tykKeyOf(d, at("keys[%d]", i), yield) }
	if first == '[' {
		if err := elements(d, one); err != nil {
			return err
		}
		return ends(d)
	}
	head, err := buffered.Peek(tykPeek)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	if wrapped(head) {
		list := func() error { return elements(d, one) }
		if err := members(d, map[string]func() error{"keys": list, "data": list}); err != nil {
			return err
		}
		return ends(d)
	}
	for i := 0; ; i++ {
		if !d.More() {
			return ends(d)
		}
		if err := one(i); err != nil {
			return err
		}
	}
}

// tykPeek is how much of a file tells its form.
const tykPeek = 4 << 10

// wrapped reports whether a file is one object around the array, by its beginning.
func wrapped(head []byte) bool {
	return regexp.MustCompile(`^\{\s*("pages"\s*:\s*-?[0-9]+\s*,\s*)?"(keys|data)"\s*:\s*\[`).Match(head)
}

func tykKeyOf(d *source, e *entry, yield func(Entry, error) bool) error {
	var raw json.RawMessage
	if d.Decode(&raw) != nil {
		return errJSON(d)
	}
	var k tykKey
	if json.Unmarshal(raw, &k) != nil {
		e.wrong("the key", "cannot be read: want key_id or key_hash, and the session as data")
		return e.send(yield)
	}
	switch text := k.Key + k.ID; {
	case k.Key != "" && k.ID != "" && k.Key != k.ID:
		e.wrong("key_id", "is another text than key")
	case k.Key != "":
		e.text("key", k.Key)
	case k.Hash != "":
		e.tykHash(k.Hash)
	default:
		e.text("key_id", text)
	}
	s := &k.Data
	e.Name, e.Owner, e.Disabled = s.Alias, s.Org, s.Inactive
	if s.Expires > 0 {
		e.Expires = time.Unix(s.Expires, 0).UTC()
	}
	e.notes(s.Meta)
	e.note("tags", strings.Join(s.Tags, " "))
	e.note("tyk_policies", strings.Join(s.Policies, " "))
	e.left("access_rights", says(s.Rights))
	e.left("rate", s.Rate > 0)
	e.left("quota_max", s.Quota > 0)
	return e.send(yield)
}

// tykHash takes the digest that Tyk keeps, when it is one that holds.
func (e *entry) tykHash(text string) {
	digest, err := hex.DecodeString(text)
	switch {
	case err == nil && len(digest) == 32:
		e.Format, e.Digest = apikey.FormatSHA256, digest
	case err == nil && (len(digest) == 4 || len(digest) == 8 || len(digest) == 16):
		e.wrong("key_hash", "is a murmur hash, which proves nothing: other texts have it too; export the texts, or make new keys")
	default:
		e.wrong("key_hash", "want the SHA-256 of the key in hex")
	}
}
