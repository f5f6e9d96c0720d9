package keyimport

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
)

// unkeyKey is one key of the body of keys.migrateKeys, or of its predecessor.
type unkeyKey struct {
	Hash        json.RawMessage            `json:"hash"`
	Plaintext   string                     `json:"plaintext"`
	Start       string                     `json:"start"`
	Prefix      string                     `json:"prefix"`
	Name        string                     `json:"name"`
	OwnerID     string                     `json:"ownerId"`
	ExternalID  string                     `json:"externalId"`
	Meta        map[string]json.RawMessage `json:"meta"`
	Roles       []string                   `json:"roles"`
	Permissions []string                   `json:"permissions"`
	Expires     int64                      `json:"expires"` // Unix milliseconds; 0: never
	Enabled     *bool                      `json:"enabled"`
	Environment string                     `json:"environment"`
	APIID       string                     `json:"apiId"`
	KeyID       string                     `json:"keyId"`
	Credits     json.RawMessage            `json:"credits"`
	Remaining   json.RawMessage            `json:"remaining"`
	Refill      json.RawMessage            `json:"refill"`
	Ratelimits  []unkeyLimit               `json:"ratelimits"`
	Ratelimit   json.RawMessage            `json:"ratelimit"`
}

type unkeyLimit struct {
	Name      string `json:"name"`
	Limit     int    `json:"limit"`
	Duration  int64  `json:"duration"` // milliseconds
	AutoApply bool   `json:"autoApply"`
}

// unkeyHash is a digest with its form; it is base64 where nothing is said.
type unkeyHash struct {
	Value   string `json:"value"`
	Variant string `json:"variant"`
}

func readUnkey(r io.Reader, yield func(Entry, error) bool) error {
	buffered := bufio.NewReaderSize(r, 64<<10)
	first, err := begins(buffered)
	if errors.Is(err, io.EOF) {
		return errEmpty
	}
	if err != nil {
		return err
	}
	d := newSource(buffered)
	list := func() error {
		return elements(d, func(i int) error {
			var raw json.RawMessage
			if d.Decode(&raw) != nil {
				return errJSON(d)
			}
			return unkeyKeyOf(at("keys[%d]", i), raw).send(yield)
		})
	}
	if first == '[' {
		err = list()
	} else {
		err = members(d, map[string]func() error{"keys": list})
	}
	if err != nil {
		return err
	}
	return ends(d)
}

func unkeyKeyOf(e *entry, raw json.RawMessage) *entry {
	var k unkeyKey
	if !strict(e, raw, &k) {
		return e
	}
	switch {
	case k.Plaintext != "" && says(k.Hash):
		e.wrong("hash", "is given together with plaintext")
	case k.Plaintext != "":
		e.text("plaintext", k.Plaintext)
	default:
		e.unkeyHash(k.Hash)
	}
	e.Name, e.Owner, e.Environment, e.Scopes = k.Name, k.ExternalID, apikey.Environment(k.Environment), k.Permissions
	if e.Owner == "" {
		e.Owner = k.OwnerID
	}
	if k.Expires > 0 {
		e.Expires = time.UnixMilli(k.Expires).UTC()
	}
	e.Disabled = k.Enabled != nil && !*k.Enabled
	for i, l := range k.Ratelimits {
		if l.Name == "" || l.Limit < 1 || l.Duration < 1 {
			e.wrong("ratelimits", "number %d: want a name, a limit and a duration", i+1)
			continue
		}
		e.Limits = append(e.Limits, exchange.Quota{Name: l.Name, Count: l.Limit, Per: time.Duration(l.Duration) * time.Millisecond})
	}
	e.notes(k.Meta)
	e.note("unkey_id", k.KeyID)
	e.note("roles", strings.Join(k.Roles, " "))
	e.left("credits", says(k.Credits) || says(k.Remaining) || says(k.Refill))
	e.left("ratelimit", says(k.Ratelimit))
	return e
}

func (e *entry) unkeyHash(raw json.RawMessage) {
	var h unkeyHash
	if json.Unmarshal(raw, &h.Value) != nil && json.Unmarshal(raw, &h) != nil {
		e.wrong("hash", "want the SHA-256 of the key, as text or with its variant")
		return
	}
	var digest []byte
	var err error
	switch {
	case h.Variant == "sha256_hex", h.Variant == "" && len(h.Value) == hex.EncodedLen(32):
		digest, err = hex.DecodeString(h.Value)
	case h.Variant == "sha256_base64", h.Variant == "":
		digest, err = base64.StdEncoding.DecodeString(h.Value)
		if err != nil {
			digest, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(h.Value, "="))
		}
	default:
		e.wrong("hash.variant", "want sha256_base64 or sha256_hex")
		return
	}
	if err != nil || len(digest) != 32 {
		e.wrong("hash", "want the SHA-256 of the key: 32 bytes in base64 or hex")
		return
	}
	e.Format, e.Digest = apikey.FormatSHA256, digest
}
