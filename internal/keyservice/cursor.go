package keyservice

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// A cursor is where a page ends, bound to what was asked: with another filter,
// another order or by a caller that sees other keys it is none. It grants nothing,
// since every page is filtered anew, and it tells nothing but a place.
const cursorSum = 16 // bytes of the binding

// bind is a digest of a place and of everything that it belongs to.
func bind(place []byte, parts ...string) []byte {
	h := sha256.New()
	_, _ = h.Write(place)
	for _, part := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		_, _ = h.Write(n[:])
		_, _ = h.Write([]byte(part))
	}
	return h.Sum(nil)[:cursorSum]
}

func sealCursor(place []byte, parts ...string) string {
	return base64.RawURLEncoding.EncodeToString(append(bind(place, parts...), place...))
}

// openCursor returns the place, or false for what is no cursor of this list.
func openCursor(text string, parts ...string) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) <= cursorSum {
		return nil, false
	}
	place := raw[cursorSum:]
	return place, subtle.ConstantTimeCompare(raw[:cursorSum], bind(place, parts...)) == 1
}

// partsOf are what a cursor of keys belongs to.
func partsOf(q *apikey.Filter) []string {
	return []string{
		"keys", q.Owner, string(q.Environment), string(q.Kind), q.Plan, string(q.State), q.Text, q.ExpiresBefore.UTC().Format(time.RFC3339Nano), string(q.Sort),
	}
}

func keyCursor(q *apikey.Filter, at apikey.Cursor) string {
	return sealCursor(placeOf(at), partsOf(q)...)
}

// placeOf is a place among keys as a cursor holds it.
func placeOf(at apikey.Cursor) []byte {
	place := []byte(at.ID)
	if !at.Created.IsZero() {
		place = binary.BigEndian.AppendUint64(place, uint64(at.Created.UnixMicro()))
	}
	return place
}

// readKeyCursor sets where the page begins.
func readKeyCursor(q *apikey.Filter, text string) bool {
	place, ok := openCursor(text, partsOf(q)...)
	return ok && readPlace(&q.After, place)
}

// readPlace reads what placeOf wrote.
func readPlace(at *apikey.Cursor, place []byte) bool {
	const id, stamp = 12, 8
	if len(place) != id && len(place) != id+stamp || !apikey.ValidID(string(place[:id])) {
		return false
	}
	at.ID = apikey.ID(place[:id])
	if len(place) > id {
		at.Created = time.UnixMicro(int64(binary.BigEndian.Uint64(place[id:]))).UTC() //nolint:gosec // written the same way
	}
	return true
}
