package password

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/warder-dev/warder/exchange"
)

// maxFile is the greatest size of a users file: some 100,000 users.
const maxFile = 16 << 20

// FileConfig configures a [File].
type FileConfig struct {
	_    [0]func()
	Path string // Required. The file has to be private: see [FilePrivate].

	// InsecureMode reads the file although others of this machine can: who reads the
	// hashes can try passwords at leisure.
	InsecureMode bool
}

// A File is a list of users:
//
//	# comment
//	ada:$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$...
//	bob:$argon2id$v=19$m=19456,t=2,p=1$...:orders:read orders:write
//
// Each line is a name, a hash as [Hash] returns it, and, after a second colon, the
// scopes that the user is granted, divided by blanks; a last segment "*" stands for
// more. A File is safe for concurrent use.
type File struct {
	cfg   FileConfig
	users atomic.Pointer[map[string]User]
}

var _ Users = (*File)(nil)

// NewFile reads the file. All that is wrong with it is reported at once, by line,
// and none of its content.
func NewFile(cfg FileConfig) (*File, error) {
	f := &File{cfg: cfg}
	users, err := cfg.read()
	if err != nil {
		return nil, err
	}
	f.users.Store(&users)
	return f, nil
}

// Reload reads the file again and returns the names, sorted, of users who are
// gone or have another hash or other scopes: their sessions are to be revoked. On
// an error everything stays as it was.
func (f *File) Reload() (changed []string, err error) {
	users, err := f.cfg.read()
	if err != nil {
		return nil, err
	}
	for name, old := range *f.users.Swap(&users) {
		now, ok := users[name]
		if !ok || now.Hash != old.Hash || !slices.Equal(now.Scopes.Names(), old.Scopes.Names()) {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed, nil
}

// Lookup implements [Users].
func (f *File) Lookup(_ context.Context, name string) (User, error) {
	u, ok := (*f.users.Load())[name]
	if !ok {
		return User{}, ErrNoUser
	}
	return u, nil
}

func (c *FileConfig) read() (map[string]User, error) {
	file, err := os.Open(c.Path)
	if err != nil {
		return nil, fmt.Errorf("password: users file: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("password: users file: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("password: users file %q: not a regular file", c.Path)
	case !c.InsecureMode && !FilePrivate(info):
		return nil, fmt.Errorf("password: users file %q has mode %04o: want 0600, readable by its owner only", c.Path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("password: users file: %w", err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("password: users file %q: longer than %d bytes", c.Path, maxFile)
	}
	users, err := parseUsers(string(text))
	if err != nil {
		return nil, fmt.Errorf("password: users file %q:\n%w", c.Path, err)
	}
	return users, nil
}

var (
	errNameForm  = fmt.Errorf("want a name of 1 to %d printable characters without colons or blanks at its ends", maxName)
	errNameTwice = errors.New("the name is there already")
	errLine      = errors.New(`want "name:hash" or "name:hash:scopes"`)
	errScope     = errors.New(`a scope is not of segments of letters, digits and ._-/ divided by ":"`)
)

// parseUsers reads the lines of a users file.
func parseUsers(text string) (map[string]User, error) {
	users := make(map[string]User)
	var errs []error
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		u, err := parseUser(line)
		if _, taken := users[u.Name]; err == nil && taken {
			err = errNameTwice
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", number, err))
			continue
		}
		users[u.Name] = u
	}
	return users, errors.Join(errs...)
}

func parseUser(line string) (User, error) {
	name, rest, ok := strings.Cut(line, ":")
	if !ok {
		return User{}, errLine
	}
	hash, scopes, _ := strings.Cut(rest, ":")
	if !validName(name) {
		return User{}, errNameForm
	}
	e, err := parse(hash)
	if err != nil {
		return User{}, err
	}
	granted := strings.Fields(scopes)
	for _, scope := range granted {
		if !exchange.ValidScope(scope) {
			return User{}, errScope
		}
	}
	return User{Name: name, Subject: name, Hash: e.String(), Scopes: exchange.PatternScopes(granted...)}, nil
}

func validName(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && strings.TrimSpace(name) == name &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == ':' })
}
