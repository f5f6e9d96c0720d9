package http3

import "net/http"

// answer leaves out what is about a connection of HTTP/1.1, as net/http does in
// HTTP/2: a client takes a response that has it for malformed (RFC 9114, section
// 4.2).
type answer struct {
	http.ResponseWriter
	begun bool
}

// clean is called before the head leaves.
func (a *answer) clean() {
	if a.begun {
		return
	}
	h := a.Header()
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"} {
		delete(h, name)
	}
}

// Unwrap serves [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	a.clean()
	a.begun = a.begun || status >= http.StatusOK
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.clean()
	a.begun = true
	return a.ResponseWriter.Write(p)
}

// FlushError sends what is buffered.
func (a *answer) FlushError() error {
	a.clean()
	a.begun = true
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Flush is FlushError for handlers that know [http.Flusher] only.
func (a *answer) Flush() { _ = a.FlushError() }
