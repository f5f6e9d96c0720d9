package password

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A List is the text of a users file that is to be changed; see [File] for its
// form. Lines that no change is about stay as they are, comments too. A List is
// not safe for concurrent use.
type List struct {
	lines []string // with their line ends
	users []User
	at    map[string]int // from a name to its line
}

var (
	errComment = errors.New(`password: a name that begins with "#" would be a comment`)
	errUser    = errors.New("password: the user cannot be written into a file: Subject and Title are the name's, and Disabled is a line that is not there")
)

// ParseList reads the text of a users file. All that is wrong with it is reported
// at once, by line, and none of its content.
func ParseList(text string) (*List, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("password: longer than %d bytes", maxFile)
	}
	users, err := parseUsers(text)
	if err != nil {
		return nil, err
	}
	l := &List{at: make(map[string]int)}
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if u, ok := users[name]; ok {
			l.at[name] = len(l.lines)
			l.users = append(l.users, u)
		}
		l.lines = append(l.lines, line)
	}
	return l, nil
}

// Users returns all users, in the order of the file.
func (l *List) Users() []User { return slices.Clone(l.users) }

// Lookup returns the user of that name, and whether there is one.
func (l *List) Lookup(name string) (User, bool) {
	i := slices.IndexFunc(l.users, func(u User) bool { return u.Name == name })
	if i < 0 {
		return User{}, false
	}
	return l.users[i], true
}

// Set writes u in the place of the user with that name, or behind all others. It
// refuses what a [File] would not read as u.
func (l *List) Set(u User) error {
	if strings.HasPrefix(u.Name, "#") {
		return errComment
	}
	if u.Subject != "" && u.Subject != u.Name || u.Title != "" || u.Disabled {
		return errUser
	}
	line := u.Name + ":" + u.Hash
	if names := u.Scopes.Names(); len(names) > 0 {
		line += ":" + strings.Join(names, " ")
	}
	if strings.ContainsAny(line, "\r\n") || !validName(u.Name) {
		return fmt.Errorf("password: %w", errNameForm)
	}
	read, err := parseUser(line)
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	if read.Hash != u.Hash || !slices.Equal(read.Scopes.Names(), u.Scopes.Names()) {
		return fmt.Errorf("password: %w", errLine) // the hash holds scopes, or a scope holds another
	}
	if at, ok := l.at[u.Name]; ok {
		l.lines[at] = line + "\n"
		l.users[slices.IndexFunc(l.users, func(old User) bool { return old.Name == u.Name })] = read
		return nil
	}
	if n := len(l.lines); n > 0 && !strings.HasSuffix(l.lines[n-1], "\n") {
		l.lines[n-1] += "\n"
	}
	l.at[u.Name] = len(l.lines)
	l.lines, l.users = append(l.lines, line+"\n"), append(l.users, read)
	return nil
}

// Remove takes the user of that name out, and reports whether there was one.
func (l *List) Remove(name string) bool {
	at, ok := l.at[name]
	if !ok {
		return false
	}
	delete(l.at, name)
	for other, line := range l.at {
		if line > at {
			l.at[other] = line - 1
		}
	}
	l.lines = slices.Delete(l.lines, at, at+1)
	l.users = slices.DeleteFunc(l.users, func(u User) bool { return u.Name == name })
	return true
}

// String returns the text of the file. It holds hashes.
func (l *List) String() string { return strings.Join(l.lines, "") }
