package keyimport

import (
	"encoding/json"
	"io"
	"strings"
)

// apisixItem is an element of what the Admin API lists; in apisix.yaml it is the
// consumer itself.
type apisixItem struct {
	Key   string          `json:"key"` // "/apisix/consumers/jack", with "/credentials/one" behind it for a credential
	Value *apisixConsumer `json:"value"`

	apisixConsumer
}

type apisixConsumer struct {
	Username    string                     `json:"username"`
	ID          string                     `json:"id"`
	Name        string                     `json:"name"`
	Desc        string                     `json:"desc"`
	Labels      map[string]string          `json:"labels"`
	GroupID     string                     `json:"group_id"`
	Plugins     map[string]json.RawMessage `json:"plugins"`
	Credentials []apisixConsumer           `json:"credentials"`
}

type apisixKeyAuth struct {
	Key  string          `json:"key"`
	Meta json.RawMessage `json:"_meta"`
}

func readAPISIX(r io.Reader, yield func(Entry, error) bool) error {
	text, err := document(r)
	if err != nil {
		return err
	}
	d := newSource(text)
	list := func(name string) func() error {
		return func() error {
			return elements(d, func(i int) error { return apisixItemOf(d, at("%s[%d]", name, i), yield) })
		}
	}
	if err := members(d, map[string]func() error{"list": list("list"), "consumers": list("consumers")}); err != nil {
		return err
	}
	return ends(d)
}

func apisixItemOf(d *source, e *entry, yield func(Entry, error) bool) error {
	var raw json.RawMessage
	if d.Decode(&raw) != nil {
		return errJSON(d)
	}
	var item apisixItem
	if json.Unmarshal(raw, &item) != nil {
		e.wrong("the consumer", "cannot be read")
		return e.send(yield)
	}
	consumer := &item.apisixConsumer
	if item.Value != nil {
		consumer = item.Value
	}
	owner := consumer.Username
	if owner == "" {
		_, rest, _ := strings.Cut(item.Key, "/consumers/")
		owner, _, _ = strings.Cut(rest, "/")
	}
	if err := apisixKey(e, consumer, owner, yield); err != nil {
		return err
	}
	for i := range consumer.Credentials {
		if err := apisixKey(at("%s.credentials[%d]", e.At, i), &consumer.Credentials[i], owner, yield); err != nil {
			return err
		}
	}
	return nil
}

// apisixKey sends the key of a consumer or credential; without key-auth there is
// none.
func apisixKey(e *entry, c *apisixConsumer, owner string, yield func(Entry, error) bool) error {
	raw, ok := c.Plugins["key-auth"]
	if !ok {
		return nil
	}
	var k apisixKeyAuth
	if strict(e, raw, &k) {
		e.text("plugins.key-auth.key", k.Key)
	}
	e.Owner, e.Name = owner, c.Name
	if e.Name == "" {
		e.Name = owner
	}
	for name, value := range c.Labels {
		e.note(name, value)
	}
	e.note("description", c.Desc)
	e.note("apisix_id", c.ID)
	e.left("group_id", c.GroupID != "")
	e.left("plugins", len(c.Plugins) > 1)
	return e.send(yield)
}
