package password_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
)

func TestHash(t *testing.T) {
	one, errOne := password.Hash(secret.New(right), password.Params{})
	two, errTwo := password.Hash(secret.New(right), password.Params{})
	if errOne != nil || errTwo != nil || one == two || !strings.HasPrefix(one, "$argon2id$v=19$m=19456,t=2,p=1$") || len(one) != len("$argon2id$v=19$m=19456,t=2,p=1$")+22+1+43 {
		t.Errorf("hashes %q and %q", one, two)
	}
	for name, tt := range map[string]struct {
		word string
		p    password.Params
	}{
		"no password":        {"", cheap()},
		"1025 bytes":         {strings.Repeat("a", 1025), cheap()},
		"little memory":      {right, password.Params{Memory: 7<<10 - 1, Time: 5, Threads: 1}},
		"much memory":        {right, password.Params{Memory: 256<<10 + 1, Time: 1, Threads: 1}},
		"no pass":            {right, password.Params{Memory: 64 << 10, Threads: 1}},
		"one pass of little": {right, password.Params{Memory: 19 << 10, Time: 1, Threads: 1}},
		"many passes":        {right, password.Params{Memory: 19 << 10, Time: 33, Threads: 1}},
		"no lane":            {right, password.Params{Memory: 19 << 10, Time: 2}},
		"many lanes":         {right, password.Params{Memory: 19 << 10, Time: 2, Threads: 17}},
	} {
		if h, err := password.Hash(secret.New(tt.word), tt.p); err == nil || strings.Contains(err.Error(), right) {
			t.Errorf("%s: Hash = %q, %v, want an error", name, h, err)
		}
	}
}

// A hash that another implementation made: argon2id, v=19, m=65536, t=2, p=1,
// from "password" and "somesalt", of the reference implementation's tests.
const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

func TestHashOfTheReference(t *testing.T) {
	p := newPeople(t)
	p.set(password.User{Name: "ada", Hash: reference})
	c := newChecker(t, password.Config{Users: p, Memory: 64 << 10})
	wantTry(t, "right", c, home(1), "ada", "password", "")
	wantTry(t, "wrong", c, home(1), "ada", "passwore", "wrong-password")
}

// malformed are hashes that are refused.
func malformed() map[string]string {
	const head, tail = "$argon2id$v=19$m=7168,t=2,p=1$", "c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdA"
	return map[string]string{
		"empty":               "",
		"plain text":          right,
		"argon2i":             "$argon2i$v=19$m=7168,t=2,p=1$" + tail,
		"bcrypt":              "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"an older version":    "$argon2id$v=16$m=7168,t=2,p=1$" + tail,
		"no version":          "$argon2id$m=7168,t=2,p=1$" + tail,
		"other order":         "$argon2id$v=19$t=2,m=7168,p=1$" + tail,
		"one cost less":       "$argon2id$v=19$m=7168,t=2$" + tail,
		"one cost more":       "$argon2id$v=19$m=7168,t=2,p=1,keyid=1$" + tail,
		"a leading zero":      "$argon2id$v=19$m=07168,t=2,p=1$" + tail,
		"a sign":              "$argon2id$v=19$m=+7168,t=2,p=1$" + tail,
		"memory of 4 TiB":     "$argon2id$v=19$m=4294967295,t=2,p=1$" + tail,
		"over 32 bits":        "$argon2id$v=19$m=4294967296,t=2,p=1$" + tail,
		"hardly any memory":   "$argon2id$v=19$m=8,t=2,p=1$" + tail,
		"a thousand passes":   "$argon2id$v=19$m=7168,t=1000,p=1$" + tail,
		"no pass":             "$argon2id$v=19$m=7168,t=0,p=1$" + tail,
		"no lane":             "$argon2id$v=19$m=7168,t=2,p=0$" + tail,
		"256 lanes":           "$argon2id$v=19$m=7168,t=2,p=256$" + tail,
		"padded":              head + "c2FsdHNhbHRzYWx0c2FsdA==$c2FsdHNhbHRzYWx0c2FsdA",
		"a line end":          head + "c2FsdHNhbHRz\nYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdA",
		"other padding bits":  head + "c2FsdHNhbHRzYWx0c2FsdB$c2FsdHNhbHRzYWx0c2FsdA",
		"short salt":          head + "c2FsdA$c2FsdHNhbHRzYWx0c2FsdA",
		"no key":              head + "c2FsdHNhbHRzYWx0c2FsdA$",
		"short key":           head + "c2FsdHNhbHRzYWx0c2FsdA$c2FsdA",
		"no key at all":       head + "c2FsdHNhbHRzYWx0c2FsdA",
		"something behind it": head + tail + "$x",
		"something before it": "x" + head + tail,
	}
}

func TestAMalformedHashIsNoAnswer(t *testing.T) {
	for name, hash := range malformed() {
		p := newPeople(t)
		p.set(password.User{Name: "ada", Hash: hash})
		c := newChecker(t, password.Config{Users: p})
		wantTry(t, name, c, home(1), "ada", right, "error")
	}
}
