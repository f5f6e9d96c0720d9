package server

import (
	"context"
	"net/http"
	"slices"

	"github.com/warder-dev/warder/apikey"
)

// settling has h answer a request that may change something only after what it changed
// is kept in the file of what was seen: a revocation that somebody was told of is
// missed in an older database also when this process was killed right after.
func (l *lineage) settling(h http.Handler) http.Handler {
	if l == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !slices.Contains(askingPaths(), r.URL.Path) {
			w = &settledWriter{ResponseWriter: w, lineage: l, request: r}
		}
		h.ServeHTTP(w, r)
	})
}

// askingPaths are those of the admin API that change no right, by whatever method.
func askingPaths() []string {
	return []string{verifyPath, "/v1/keys:exchange", "/v1/keys:search", "/v1/explain"}
}

// A settledWriter settles before the first byte of an answer.
type settledWriter struct {
	http.ResponseWriter
	lineage *lineage // nil once it has settled
	request *http.Request
}

func (w *settledWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.once()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *settledWriter) Write(p []byte) (int, error) {
	w.once()
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *settledWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *settledWriter) once() {
	if l := w.lineage; l != nil {
		w.lineage = nil
		l.settle(context.WithoutCancel(w.request.Context()))
	}
}

// settled tells changed of a key, and returns when the change is kept. It is for those
// who change one key at a time, on a listener that mostly forwards.
func (l *lineage) settled(changed func(apikey.ID)) func(apikey.ID) {
	if l == nil {
		return changed
	}
	return func(id apikey.ID) {
		changed(id)
		l.settle(context.Background()) // which is bounded by the time of the store
	}
}
