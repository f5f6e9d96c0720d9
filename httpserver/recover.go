package httpserver

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"runtime"
	"strings"

	"github.com/warder-dev/warder/exchange"
)

// A Recover logs panics, and has the exchange's front answer them with 500, so
// that a failure inside never becomes a pass or prints a request.
type Recover struct{ log *slog.Logger }

// NewRecover returns a Recover that logs to log; nil logs nothing.
func NewRecover(log *slog.Logger) *Recover {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Recover{log: log}
}

// Recovered logs one record: the type of value, its text only when it is one of
// the runtime's own errors (any other may hold a credential), and the stack
// without argument values.
func (r *Recover) Recovered(x *exchange.Exchange, value any, stack []byte) {
	attrs := []slog.Attr{slog.String("panic", fmt.Sprintf("%T", value))}
	if text, ok := runtimeText(value); ok {
		attrs = append(attrs, slog.String("error", text))
	}
	if x != nil {
		attrs = append(attrs, slog.String("id", x.ID), slog.String("method", method(x.Request)), slog.String("route", x.Route))
	}
	attrs = append(attrs, slog.String("stack", withoutArguments(stack)))
	r.log.LogAttrs(context.Background(), slog.LevelError, "panic", attrs...)
}

// Wrap handles the panics of next, for use without a Stack.
func (r *Recover) Wrap(next http.Handler) http.Handler { return exchange.Wrap(recoverStage{r}, next) }

// recoverStage has no opinion of a request.
type recoverStage struct{ *Recover }

func (recoverStage) Check(*exchange.Exchange) exchange.Verdict { return exchange.Pass() }

// runtimeText returns the text of an error of package runtime. Another type that
// implements [runtime.Error] may say anything.
func runtimeText(value any) (string, bool) {
	err, ok := value.(runtime.Error)
	if !ok {
		return "", false
	}
	t := reflect.TypeOf(value)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if path := t.PkgPath(); path != "runtime" && !strings.HasPrefix(path, "internal/") {
		return "", false
	}
	return err.Error(), true
}

// method names r's method when it is a common one: another may be anything.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "other"
	}
}

// withoutArguments replaces the argument words that a stack shows for each call:
// short values, such as the first bytes of an array, are among them.
func withoutArguments(stack []byte) string {
	var out strings.Builder
	out.Grow(len(stack))
	for line := range bytes.Lines(stack) {
		text := bytes.TrimRight(line, "\n")
		if !bytes.HasPrefix(text, []byte("\t")) && bytes.HasSuffix(text, []byte(")")) {
			if i := bytes.LastIndexByte(text, '('); i >= 0 {
				out.Write(text[:i])
				out.WriteString("(...)\n")
				continue
			}
		}
		out.Write(line)
	}
	return out.String()
}
