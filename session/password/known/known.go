// Package known tells whether a password is one that others know: because everybody
// tries it, or because it leaked somewhere. New passwords are compared with it, as
// NIST SP 800-63B wants in section 5.1.1.2 (verifiers of memorized secrets); a login
// is not.
//
//	list, err := known.New(known.Config{File: "pwned-passwords-sha1-ordered-by-hash.txt"})
//	found, err := list.Known(password, "ada")
//
// # What is built in
//
// A few hundred words that lists of leaked passwords begin with. A password is known
// when it is one or two of them, in any case, with up to eight digits and signs
// around and between, or in the place of letters that they look like: "Passw0rd2024!"
// and "admin-welcome-1". So is one that is made in this way from the words that the
// caller adds, such as the name of the account, and from the name of this program.
//
// # A file
//
// [Config.File] is either a list of SHA-1 digests in the form of Pwned Passwords,
// ordered by hash, as large as it may be: it is searched where it lies, and costs some
// forty reads of a few bytes. Or it is a list of passwords, one a line, up to a million
// of them, of which eight bytes each are kept in memory. Nothing is sent anywhere.
//
// The file is read anew when it was changed. One that cannot be read, or that is no
// such list, is an error and not the answer that a password is unknown.
package known

import (
	"strings"
	"sync"
	"unicode"

	"github.com/warder-dev/warder/secret"
)

// Config configures a [List].
type Config struct {
	_ [0]func()

	File string // of known passwords; see the package. "": only those that are built in
}

// A List is what is known. It is safe for concurrent use.
type List struct {
	words map[string]bool
	file  string

	mu   sync.Mutex
	seen *contents // of the file, as it was last
}

// New reads the file once, to report what is wrong with it.
func New(cfg Config) (*List, error) {
	l := &List{words: make(map[string]bool), file: cfg.File}
	for word := range strings.FieldsSeq(builtIn) {
		l.words[letters(word)] = true
	}
	if cfg.File == "" {
		return l, nil
	}
	f, _, err := l.open()
	if err != nil {
		return nil, err
	}
	return l, f.Close()
}

// Known reports whether password is known. words are what everybody knows of whose
// password it is to be; short ones, of fewer than four letters, say nothing. The
// error means that nobody can tell now: the file cannot be read. It holds nothing of
// the password.
func (l *List) Known(password secret.Text, words ...string) (bool, error) {
	text := reveal(password)
	if l.plain(text, words) {
		return true, nil
	}
	if l.file == "" {
		return false, nil
	}
	return l.filed(text)
}

const (
	mostSigns   = 8 // around the letters of a password, beyond which they are what protects it
	leastLetter = 4 // of a word that the caller adds
)

// plain reports whether text is a word or two, made up a little.
func (l *List) plain(text string, words []string) bool {
	more := make(map[string]bool)
	for _, word := range words {
		if w := letters(strings.ToLower(word)); len([]rune(w)) >= leastLetter {
			more[w] = true
		}
	}
	lower := strings.ToLower(text)
	for _, read := range []string{lower, unmasked(lower, 'i'), unmasked(lower, 'l')} {
		bare := letters(read)
		if len([]rune(read))-len([]rune(bare)) > mostSigns {
			continue
		}
		if l.made(bare, more) {
			return true
		}
	}
	return false
}

// made reports whether bare is one word, or two.
func (l *List) made(bare string, more map[string]bool) bool {
	is := func(word string) bool { return l.words[word] || more[word] }
	if is(bare) {
		return true
	}
	for i := range bare {
		if i > 0 && is(bare[:i]) && is(bare[i:]) {
			return true
		}
	}
	return false
}

// letters returns the letters of text.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) {
			return -1
		}
		return r
	}, text)
}

// unmasked puts letters in the place of what looks like them; one is what a 1 is.
// Digits at the end are a number, and stay.
func unmasked(text string, one rune) string {
	end := strings.TrimRight(text, "0123456789!?.,;:*#-_ ")
	return strings.Map(func(r rune) rune {
		switch r {
		case '0':
			return 'o'
		case '1', '!', '|':
			return one
		case '3':
			return 'e'
		case '4', '@':
			return 'a'
		case '5', '$':
			return 's'
		case '7', '+':
			return 't'
		case '8':
			return 'b'
		case '9':
			return 'g'
		default:
			return r
		}
	}, end) + text[len(end):]
}

// reveal is the only place where the password is looked at.
func reveal(password secret.Text) string { return password.Reveal() }
