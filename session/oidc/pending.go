package oidc

import (
	"container/list"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync"
	"time"
)

const (
	loginLife = 10 * time.Minute
	maxBack   = 1024 // bytes of a return path: the cookie has 4 KiB
	maxCookie = 4096 // bytes
	maxUsed   = 10_000
)

// A pending is a login under way: what the browser keeps for us, unread.
type pending struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // of PKCE
	Back     string `json:"b"` // where to after the login
	Until    int64  `json:"u"` // Unix seconds
}

// random returns 256 bits as text.
func random() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the program first
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// A seal encrypts what the browser keeps, for one cookie of one client.
type seal struct {
	aead  cipher.AEAD
	about []byte
}

func newSeal(cfg Config) *seal {
	key := cfg.key()
	block, _ := aes.NewCipher(key[:])              // 32 bytes are a key
	aead, _ := cipher.NewGCMWithRandomNonce(block) // AES is a block cipher of 16 bytes
	return &seal{aead: aead, about: []byte(cfg.Cookie + "\x00" + cfg.Issuer + "\x00" + cfg.ClientID + "\x00" + cfg.RedirectURL)}
}

// lock returns p as the value of a cookie.
func (s *seal) lock(p pending) string {
	text, _ := json.Marshal(p)                                                        // strings and a number: cannot fail
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, text, s.about)) //nolint:gosec // G407: this AEAD draws its own nonce
}

var errSeal = errors.New("oidc: the cookie is not ours")

// open is the reverse of lock.
func (s *seal) open(value string) (p pending, err error) {
	if len(value) > maxCookie {
		return p, errSeal
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return p, errSeal
	}
	text, err := s.aead.Open(nil, nil, raw, s.about)
	if err != nil || json.Unmarshal(text, &p) != nil || p.State == "" || p.Nonce == "" || p.Verifier == "" {
		return pending{}, errSeal
	}
	return p, nil
}

// used remembers the states that were taken, until their logins would have
// expired. A full memory forgets the oldest: the provider takes a code once, too.
type used struct {
	mu    sync.Mutex
	order *list.List // of taken, the latest in front
	known map[[sha256.Size]byte]struct{}
}

type taken struct {
	state [sha256.Size]byte
	until time.Time
}

func newUsed() *used { return &used{order: list.New(), known: make(map[[sha256.Size]byte]struct{})} }

// take reports whether state was not taken before, and takes it.
func (u *used) take(state string) bool {
	now, sum := time.Now(), sha256.Sum256([]byte(state))
	u.mu.Lock()
	defer u.mu.Unlock()
	for e := u.order.Back(); e != nil; e = u.order.Back() {
		oldest, _ := e.Value.(taken)
		if now.Before(oldest.until) && u.order.Len() < maxUsed {
			break
		}
		u.order.Remove(e)
		delete(u.known, oldest.state)
	}
	if _, again := u.known[sum]; again {
		return false
	}
	u.known[sum] = struct{}{}
	u.order.PushFront(taken{sum, now.Add(loginLife)})
	return true
}
