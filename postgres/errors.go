package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// Errors that are a matter of what the operator gave, or did.
var (
	// ErrURL means that Config.URL is not the address of a PostgreSQL database.
	ErrURL = errors.New("postgres: the address cannot be used")

	// ErrNoSchema means that the database has no tables of warder.
	ErrNoSchema = errors.New("postgres: the database has no tables of warder")

	// ErrOldSchema means that the tables are those of an older warder. The error names
	// both versions.
	ErrOldSchema = errors.New("postgres: the tables are those of an older warder")

	// ErrNewerSchema means that the tables are those of a newer warder. The error names
	// both versions.
	ErrNewerSchema = errors.New("postgres: the tables are those of a newer warder")

	// ErrReadOnly means that the server takes no changes: it is a standby, or was made
	// read-only. What it would answer may be of before a revocation.
	ErrReadOnly = errors.New("postgres: the server is read-only")

	// ErrDenied means that the server does not let the role in, or does not let it do
	// what it has to.
	ErrDenied = errors.New("postgres: the server denies it")

	// ErrUnreachable means that no server answered.
	ErrUnreachable = errors.New("postgres: the server cannot be reached")
)

// errRow means that a row does not hold what this package writes. Its content is
// not told: the error of a conversion would quote it.
var errRow = errors.New("a row is damaged")

// A ServerError is an error that the server answered with. It holds none of the
// server's text.
type ServerError struct {
	SQLState string // five letters and digits
	Name     string // what it means, in words of this package
}

// Error returns the name and the SQLSTATE.
func (e *ServerError) Error() string { return e.Name + " (SQLSTATE " + e.SQLState + ")" }

// openError adds the name of the database to an error.
func openError(ctx context.Context, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("database %q: %w", name, answer(ctx, "open", err))
}

// answer turns an error of the driver into one for callers, without any text of the
// server or of what was sent: the end of ctx comes first.
func answer(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("postgres: %s: %w", what, ctx.Err())
	case ours(err):
		return fmt.Errorf("postgres: %s: %w", what, err)
	}
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		return serverError(what, server.Code)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnreachable, what, reason(err))
}

// ours reports whether err was made by this package: its text is safe.
func ours(err error) bool {
	if _, ok := errors.AsType[*plainError](err); ok {
		return true
	}
	for _, known := range []error{errRow, ErrURL, ErrNoSchema, ErrOldSchema, ErrNewerSchema, ErrReadOnly, ErrDenied} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// A plainError is one whose text this package wrote.
type plainError struct{ text string }

func (e *plainError) Error() string { return e.text }

func plain(format string, args ...any) error { return &plainError{fmt.Sprintf(format, args...)} }

// serverError names what the server answered.
func serverError(what, state string) error {
	named := &ServerError{SQLState: state, Name: meaning(state)}
	switch {
	case state == "25006":
		return fmt.Errorf("%w: %s: %w", ErrReadOnly, what, named)
	case state == "42501" || state[:min(2, len(state))] == "28":
		return fmt.Errorf("%w: %s: %w", ErrDenied, what, named)
	}
	return fmt.Errorf("postgres: %s: %w", what, named)
}

// meaning names a SQLSTATE, or its class.
func meaning(state string) string {
	for _, length := range []int{5, 2} { // the condition, then the class
		if name := meanings()[state[:min(length, len(state))]]; name != "" {
			return name
		}
	}
	return "the server answered with an error"
}

// meanings are the conditions that an operator meets, by SQLSTATE or class.
func meanings() map[string]string {
	return map[string]string{
		"08":    "the connection failed",
		"22":    "a value is out of range",
		"23":    "a rule of the tables is broken",
		"25006": "the server takes no changes",
		"25P03": "the transaction was idle for too long",
		"28":    "the user or its password is wrong, or pg_hba.conf lets it not in",
		"3D000": "there is no such database",
		"3F000": "there is no schema warder",
		"40001": "other changes came between, again and again",
		"40P01": "other changes stood in the way, again and again",
		"42":    "the tables are not those that this program knows",
		"42501": "the role lacks a right: run `warder migrate up --app-role ROLE` again",
		"53":    "the server lacks memory, disk or connections",
		"53100": "the server's disk is full",
		"53300": "the server has no connection left",
		"55P03": "a lock was not free in time",
		"57014": "the server stopped the statement: it took too long",
		"57P01": "the server is stopping",
		"57P02": "the server has crashed",
		"57P03": "the server is starting",
		"58":    "the server's disk failed",
		"XX":    "the server reports damage",
	}
}

// reason is what is known of a connection that could not be made or broke, without
// what the driver says of it.
func reason(err error) error {
	if verification, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return plain("the server's certificate is not accepted: %v", verification.Err)
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return plain("the server's certificate is not accepted: %v", unknown)
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok {
		return dial
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns
	}
	if pgconn.Timeout(err) || errors.Is(err, context.DeadlineExceeded) {
		return plain("no answer in time")
	}
	return plain("the connection failed or broke")
}
