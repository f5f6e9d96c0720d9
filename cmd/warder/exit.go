package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Exit codes, by cause. Scripts may branch on them.
const (
	exitUnwell   = 1 // what ping asked is not ready, or does not answer
	exitUsage    = 2 // the command line or the configuration is wrong
	exitDenied   = 3 // a right is missing, or a file may be read by others
	exitNotFound = 4 // no such key, file or database
	exitServer   = 5 // a port, database, upstream or node did not do its part
	exitFound    = 6 // a check found something: leaked keys, an audit log that is not what was written
)

// A failure is an error with its exit code and the way to mend it.
type failure struct {
	code int
	err  error
	hint string // one line; may be empty
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// fail makes a failure; format and args are as in fmt.Errorf.
func fail(code int, hint, format string, args ...any) error {
	return &failure{code: code, err: fmt.Errorf(format, args...), hint: hint}
}

// causeOf is the exit code of an error of the operating system.
func causeOf(err error) int {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return exitDenied
	case errors.Is(err, fs.ErrNotExist):
		return exitNotFound
	default:
		return exitServer
	}
}

// told is the end of a command whose output has said everything already.
type told struct{ code int }

func (t told) Error() string { return fmt.Sprintf("exit code %d", t.code) }

// report prints err in the form "warder: what (how to mend it)" and returns the
// exit code. An error that is no failure is the server's. It is the one place
// that errors of commands go through, and shows nothing that looks
// like a key, and nothing that a terminal would take for a command.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if t, ok := errors.AsType[told](err); ok {
		return t.code
	}
	var f *failure
	code := exitServer
	if errors.As(err, &f) {
		code = f.code
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		_, _ = fmt.Fprintf(w, "warder: %s\n", onTerminal(clean(line)))
	}
	if f != nil && f.hint != "" {
		_, _ = fmt.Fprintf(w, "hint: %s\n", onTerminal(clean(f.hint)))
	}
	return code
}
