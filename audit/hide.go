package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/warder-dev/warder/internal/jsonwalk"
	"github.com/warder-dev/warder/redact"
)

// Hidden stands in for a value that must not be in the log.
const Hidden = "[hidden]"

var errState = errors.New("audit: what was changed is not one JSON value in UTF-8")

// hideState returns the JSON value state without white space, and without what
// looks like a secret: the text of members whose names say so, and text with the
// shape of a key or token. Makers of states leave secrets out; this is the second
// lock of the same door.
func hideState(state json.RawMessage) (json.RawMessage, error) {
	if len(state) == 0 {
		return nil, nil
	}
	w, err := jsonwalk.New(state)
	if err != nil {
		return nil, errState
	}
	h := hider{in: w}
	h.out.Grow(len(state))
	if err := h.value(w.Next(), ""); err != nil {
		return nil, errState
	}
	if h.out.String() == "null" {
		return nil, nil // as if there were none: it could not be told from that later
	}
	return h.out.Bytes(), nil
}

// A hider copies one JSON value.
type hider struct {
	in  *jsonwalk.Walker
	out bytes.Buffer
}

// value copies the value that begins with token, the one of the member name.
func (h *hider) value(token jsonwalk.Token, name string) error {
	switch token.Kind {
	case '{':
		return h.members()
	case '[':
		return h.elements(name)
	case '"':
		return h.text(hideMember(name, token.Text()))
	default:
		h.out.Write(token.Raw)
		return nil
	}
}

func (h *hider) members() error {
	h.out.WriteByte('{')
	for first := true; h.in.More(); first = false {
		if !first {
			h.out.WriteByte(',')
		}
		name := h.in.Next().Text()
		if err := h.text(redact.Text(name)); err != nil {
			return err
		}
		h.out.WriteByte(':')
		if err := h.value(h.in.Next(), name); err != nil {
			return err
		}
	}
	h.out.WriteByte('}')
	h.in.Next()
	return nil
}

func (h *hider) elements(name string) error {
	h.out.WriteByte('[')
	for first := true; h.in.More(); first = false {
		if !first {
			h.out.WriteByte(',')
		}
		if err := h.value(h.in.Next(), name); err != nil {
			return err
		}
	}
	h.out.WriteByte(']')
	h.in.Next()
	return nil
}

func (h *hider) text(s string) error {
	if plain(s) { // as the encoder would write it
		h.out.WriteByte('"')
		h.out.WriteString(s)
		h.out.WriteByte('"')
		return nil
	}
	e := json.NewEncoder(&h.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return err
	}
	h.out.Truncate(h.out.Len() - 1) // the line's end
	return nil
}

// plain reports whether s stands for itself in JSON.
func plain(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' || b > '~' || b == '"' || b == '\\' {
			return false
		}
	}
	return true
}

// hideMember returns the text of the member name as the log may have it.
func hideMember(name, text string) string {
	plain := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(name))
	switch plain {
	case "certificate", "fingerprint": // the hash of what is public
		return text
	case "id", "owner", "subject", "keyid", "revokedby":
		return hideID(text)
	}
	for _, word := range []string{"password", "passphrase", "secret", "digest", "totp", "token", "recovery", "privatekey", "credential", "cookie"} {
		if strings.Contains(plain, word) && text != "" {
			return Hidden
		}
	}
	if plain == "pepper" && len(text) > longestPepperID {
		return Hidden // a pepper, where its id belongs
	}
	return hideText(text)
}

// longestPepperID is how long the id of a pepper is at most; one with its value is
// longer than 40.
const longestPepperID = 16

func hideText(s string) string { return redact.Text(s) }

// longestID is how many letters and digits an id of somebody's own has in a row
// at most: a key's secret and check digits are 38 behind 12 of the id.
const longestID = 40

// hideID returns the id of something. Ids are often random and not secret, so
// that only what is longer than an id goes: one with a key pasted into it.
func hideID(s string) string {
	run := 0
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			run++
		} else {
			run = 0
		}
		if run > longestID {
			return redact.Mask
		}
	}
	return s
}
