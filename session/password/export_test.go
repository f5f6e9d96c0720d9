package password

import "github.com/warder-dev/warder/secret"

// Quick are costs far below those that New and Hash take: tests that are not about
// the costs compare hundreds of passwords.
func Quick() Params { return Params{Memory: 512, Time: 1, Threads: 1} }

// NewQuick is New for costs of any size.
func NewQuick(cfg Config) (*Checker, error) { return newChecker(cfg, Params.readable) }

// HashQuick is Hash for costs of any size.
func HashQuick(password secret.Text, p Params) (string, error) { return hash(password, p) }

// readable takes what parse takes.
func (p Params) readable() error {
	e := encoded{params: p, salt: make([]byte, saltLength), key: make([]byte, keyLength)}
	_, err := parse(e.String())
	return err
}

// Private is private, for any owner and any process.
func Private(mode uint32, uid, gid, euid int, groups []int) bool {
	return private(mode, uid, gid, euid, groups)
}
