package account

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/warder-dev/warder/secret"
)

const (
	maxName      = 64  // bytes
	maxEmail     = 254 // bytes
	minPassword  = 12  // characters
	maxPassword  = 1024
	minDifferent = 5 // characters of a password
	maxText      = 128
)

// A FieldError reports one value that cannot be taken. All that is wrong is
// reported at once, joined.
type FieldError struct {
	Field  string // "name", "email", "role", "password", "address", "factor", "offer", "actor", "source" or "issuer"
	Reason string // what is wanted instead; never the value
}

func (e *FieldError) Error() string { return "account: " + e.Field + ": " + e.Reason }

// NormalName returns name as accounts have it: in lower case, without blanks
// around it.
func NormalName(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// checkName refuses names that could be read as others: they are ASCII.
func checkName(name string) error {
	if name == "" || len(name) > maxName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._+@-") != "" || strings.HasPrefix(name, "-") {
		return &FieldError{"name", fmt.Sprintf(`want 1 to %d of a-z, 0-9, ".", "_", "+", "@" and "-", which does not stand first`, maxName)}
	}
	return nil
}

func checkEmail(email string) error {
	if email == "" {
		return nil
	}
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email || len(email) > maxEmail || strings.ContainsFunc(email, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return &FieldError{"email", fmt.Sprintf("want an address such as ada@example.com, of at most %d bytes", maxEmail)}
	}
	return nil
}

func checkRole(r Role) error {
	if !r.Valid() {
		return &FieldError{"role", "want owner, admin, developer or auditor"}
	}
	return nil
}

// checkText refuses what would end a line of the audit, or read as another text.
func checkText(field, s string, required bool) error {
	switch {
	case required && s == "":
		return &FieldError{field, "is missing"}
	case len(s) > maxText:
		return &FieldError{field, fmt.Sprintf("want at most %d bytes", maxText)}
	case !utf8.ValidString(s), strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) }):
		return &FieldError{field, "want printable characters only"}
	default:
		return nil
	}
}

// CheckPassword refuses a password that is short, plain to see, or made from what
// everybody knows of the account. It takes any characters, and asks for none.
func CheckPassword(a *Account, password secret.Text) error {
	text := password.Reveal()
	lower := strings.ToLower(text)
	refuse := func(format string, args ...any) error { return &FieldError{"password", fmt.Sprintf(format, args...)} }
	switch {
	case !utf8.ValidString(text):
		return refuse("want UTF-8")
	case utf8.RuneCountInString(text) < minPassword:
		return refuse("want at least %d characters", minPassword)
	case len(text) > maxPassword:
		return refuse("want at most %d bytes", maxPassword)
	case different(lower) < minDifferent:
		return refuse("want at least %d different characters", minDifferent)
	case regular(lower):
		return refuse("want no row of the alphabet, of digits, or of one word again and again")
	}
	local, _, _ := strings.Cut(strings.ToLower(a.Email), "@")
	for _, known := range []string{a.Name, local} {
		if len(known) >= 4 && strings.Contains(lower, known) {
			return refuse("want one without the name of the account")
		}
	}
	return nil
}

// checkNew is CheckPassword, and refuses what others know.
func (m *Manager) checkNew(a *Account, password secret.Text) error {
	if err := CheckPassword(a, password); err != nil || m.cfg.Known == nil {
		return err
	}
	local, _, _ := strings.Cut(a.Email, "@")
	switch found, err := m.cfg.Known(password, a.Name, local); {
	case err != nil:
		return fmt.Errorf("account: whether the password is known: %w", err)
	case found:
		return &FieldError{"password", "want another: this one is known, because many have it or because it leaked, and is what attackers try first"}
	}
	return nil
}

// CheckPassword reports what is wrong with a new password of the account with this
// view, as [Manager.Finish] will: it is for those who ask for the password first and
// for a code, which is good once, afterwards. Errors: [*FieldError], or that what is
// known cannot be asked.
func (m *Manager) CheckPassword(v *View, password secret.Text) error {
	return m.checkNew(&Account{Name: v.Name, Email: v.Email}, password)
}

func different(text string) int {
	seen := make(map[rune]bool)
	for _, r := range text {
		seen[r] = true
	}
	return len(seen)
}

// regular reports whether text is one row, such as 123456789012, or a beginning of
// up to a third of it again and again.
func regular(text string) bool {
	runes := []rune(text)
	rows := 0
	for i := 1; i < len(runes); i++ {
		if step := runes[i] - runes[i-1]; step == 1 || step == -1 || step == -9 || step == 9 {
			rows++
		}
	}
	if rows == len(runes)-1 {
		return true
	}
	for n := 1; n <= len(runes)/3; n++ {
		again := true
		for i := n; i < len(runes) && again; i++ {
			again = runes[i] == runes[i-n]
		}
		if again {
			return true
		}
	}
	return false
}
