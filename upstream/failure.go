package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/warder-dev/warder/problem"
)

// A failure is why the upstream gave no usable answer, in words that are safe
// to log: no URL, no query, nothing that the upstream sent.
type failure struct {
	reason string // a constant, for metrics
	cause  string // of the operating system, the resolver or the certificate; "" when it could hold more
	name   string // the upstream's, as configured; may be empty
}

func (f *failure) Error() string {
	text := "upstream"
	if f.name != "" {
		text += " " + f.name
	}
	text += ": " + f.reason
	if f.cause != "" {
		text += ": " + f.cause
	}
	return text
}

// The reasons of a failure.
const (
	reasonTimeout     = "timeout"
	reasonResolve     = "resolve"
	reasonConnect     = "connect"
	reasonTLS         = "tls"
	reasonClosed      = "closed"
	reasonBadResponse = "bad-response"
)

func (f *failure) problem() *problem.Problem {
	if f.reason == reasonTimeout {
		return problem.New(problem.UpstreamTimeout, "The API behind this server did not answer in time. Try again later.")
	}
	return problem.New(problem.UpstreamFailed, "The API behind this server gave no usable answer. Try again later.")
}

var errIdle = errors.New("upstream: the response stopped coming")

// classify finds the reason of err, which the transport returned for a request
// with ctx.
func classify(ctx context.Context, err error) *failure {
	var (
		resolve *net.DNSError
		op      *net.OpError
		errno   syscall.Errno
		timeout net.Error
	)
	why := &failure{reason: reasonBadResponse}
	if errors.As(err, &errno) {
		why.cause = errno.Error()
	}
	switch {
	case errors.Is(context.Cause(ctx), errIdle), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		why.reason = reasonTimeout
	case errors.As(err, &resolve):
		why.reason = reasonResolve
		if resolve.IsNotFound {
			why.cause = "no such host"
		}
	case errors.As(err, &op) && op.Op == "dial":
		why.reason = reasonConnect
	case isTLS(err):
		why.reason, why.cause = reasonTLS, tlsCause(err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errno != 0, errors.Is(err, net.ErrClosed), wasIdle(err):
		why.reason = reasonClosed
	}
	return why
}

// wasIdle knows the one error of [http.Transport] that has neither a type nor a
// cause: the connection ended before a response.
func wasIdle(err error) bool { return err.Error() == "http: server closed idle connection" }

func isTLS(err error) bool {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		op          *net.OpError
	)
	return errors.Is(err, errOwnCertificate) || errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.As(err, &op) && op.Op == "remote error" // an alert that the upstream sent
}

// tlsCause says what is wrong with a certificate, without what stands in it.
func tlsCause(err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, errOwnCertificate):
		return "our own certificate cannot be had"
	case errors.As(err, &authority):
		return "the certificate is of an unknown authority"
	case errors.As(err, &name):
		return "the certificate is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired or is not yet valid"
	case errors.As(err, &invalid):
		return "the certificate is not valid"
	case errors.As(err, &record):
		return "the upstream does not speak TLS"
	default:
		return "the handshake failed"
	}
}

// bodyProblem is the answer to a client whose body broke with err; nil when
// there is nobody left to answer.
func bodyProblem(err error) (p *problem.Problem, reason string) {
	var (
		tooLarge *http.MaxBytesError
		timeout  net.Error
		op       *net.OpError
	)
	switch {
	case errors.As(err, &tooLarge):
		return problem.New(problem.BodyTooLarge, "Send a shorter body."), "body-too-large"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return problem.New(problem.BodyTimeout, "Send the body without long pauses."), "body-timeout"
	case errors.As(err, &op):
		return nil, "client-gone"
	default:
		return problem.New(problem.InvalidBody, "The body does not keep to what its header says of its length."), "body-invalid"
	}
}
