package leak

import (
	"context"
	"errors"
	"net/http"
)

// A Sender tells who sends a report.
type Sender interface {
	// Name is whom the audit names, such as "leak:github".
	Name() string

	// Authenticate returns nil when body is as the sender signed it, an error that
	// wraps [ErrSignature] when it is not, and another one when that cannot be told
	// now. header is that of the request.
	Authenticate(ctx context.Context, header http.Header, body []byte) error
}

// ErrSignature means that a report is not from whom it says, or not as it was
// sent.
var ErrSignature = errors.New("leak: the signature does not hold")

// one returns the only value of a field, "" for none or several.
func one(header http.Header, name string) string {
	if values := header[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}
