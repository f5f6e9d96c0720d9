package keyimport

import (
	"encoding/json"
	"io"
	"strings"
)

// kongConsumer is a consumer in a declarative file; what else it has is not about
// its keys.
type kongConsumer struct {
	ID       string            `json:"id"`
	Username string            `json:"username"`
	CustomID string            `json:"custom_id"`
	Tags     []string          `json:"tags"`
	Keys     []json.RawMessage `json:"keyauth_credentials"`
	Groups   json.RawMessage   `json:"groups"`
	ACLs     json.RawMessage   `json:"acls"`
	Plugins  json.RawMessage   `json:"plugins"`
}

// kongKey is one credential of the plugin key-auth.
type kongKey struct {
	ID        string          `json:"id"`
	Key       string          `json:"key"`
	TTL       json.RawMessage `json:"ttl"`
	Tags      []string        `json:"tags"`
	CreatedAt json.RawMessage `json:"created_at"`
	Consumer  json.RawMessage `json:"consumer"`
}

func readKong(r io.Reader, yield func(Entry, error) bool) error {
	text, err := document(r)
	if err != nil {
		return err
	}
	d := newSource(text)
	err = members(d, map[string]func() error{
		"consumers": func() error {
			return elements(d, func(i int) error { return kongConsumerOf(d, i, yield) })
		},
		"keyauth_credentials": func() error {
			return elements(d, func(i int) error {
				var raw json.RawMessage
				if d.Decode(&raw) != nil {
					return errJSON(d)
				}
				return kongKeyOf(at("keyauth_credentials[%d]", i), raw, kongConsumer{}).send(yield)
			})
		},
	})
	if err != nil {
		return err
	}
	return ends(d)
}

func kongConsumerOf(d *source, i int, yield func(Entry, error) bool) error {
	var raw json.RawMessage
	if d.Decode(&raw) != nil {
		return errJSON(d)
	}
	var c kongConsumer
	if json.Unmarshal(raw, &c) != nil {
		e := at("consumers[%d]", i)
		e.wrong("the consumer", "cannot be read")
		return e.send(yield)
	}
	for j, key := range c.Keys {
		if err := kongKeyOf(at("consumers[%d].keyauth_credentials[%d]", i, j), key, c).send(yield); err != nil {
			return err
		}
	}
	return nil
}

func kongKeyOf(e *entry, raw json.RawMessage, c kongConsumer) *entry {
	var k kongKey
	if !strict(e, raw, &k) {
		return e
	}
	e.text("key", k.Key)
	e.Name, e.Owner = c.Username, c.CustomID
	if e.Owner == "" {
		e.Owner = c.Username
	}
	if e.Owner == "" && says(k.Consumer) {
		e.Owner = kongReference(k.Consumer)
	}
	if says(k.TTL) {
		e.wrong("ttl", "counts from a moment that the file does not tell: give the key an expiry after the import, or take the field out")
	}
	e.note("kong_id", k.ID)
	e.note("tags", strings.Join(append(c.Tags, k.Tags...), " "))
	e.left("groups", says(c.Groups) || says(c.ACLs))
	e.left("plugins", says(c.Plugins))
	return e
}

// kongReference returns whom a credential beside its consumer belongs to.
func kongReference(raw json.RawMessage) string {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return name
	}
	var of struct {
		ID       string `json:"id"`
		Username string `json:"username"`
	}
	if json.Unmarshal(raw, &of) != nil {
		return ""
	}
	if of.Username != "" {
		return of.Username
	}
	return of.ID
}
