package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"strings"
	"time"
)

// A section is one of the page's answers.
type section struct {
	title string
	steps func(w *demoWorld) []step
}

// A step is a line to paste, what it must show, and how the check runs it.
type step interface {
	line(w *demoWorld) string
	promise() string
	// run returns what was shown, and whether that keeps the promise.
	run(ctx context.Context, w *demoWorld) (shown string, held bool, err error)
}

// show prints the section's lines, and runs them when check is set.
func (s section) show(ctx context.Context, out io.Writer, w *demoWorld, check bool) (ok bool, err error) {
	ok = true
	for _, step := range s.steps(w) {
		_, _ = fmt.Fprintf(out, "\n  # %s\n  %s\n", step.promise(), step.line(w))
		if !check {
			continue
		}
		shown, held, err := step.run(ctx, w)
		if err != nil {
			return false, err
		}
		word := "as it should be"
		if !held {
			ok, word = false, "WRONG"
		}
		_, _ = fmt.Fprintf(out, "  -> %s: %s\n", word, shown)
	}
	return ok, nil
}

// An ask is a step of one request.
type ask struct {
	want    int
	says    string
	path    string
	method  string   // default GET; POST with a form
	plain   bool     // over plain HTTP
	browser bool     // keeps the cookies that it gets, and sends them
	headers []string // "Name: value"
	token   bool     // with the demo's token, from its file
	form    string   // of a body
	shows   string   // must stand in the answer's header or body
	hides   string   // may not; "" for nothing
}

func (a ask) promise() string { return fmt.Sprintf("%d %s", a.want, a.says) }

func (a ask) url(w *demoWorld) string {
	if a.plain {
		return w.plain + a.path
	}
	return w.gateway + a.path
}

// line returns the step as a call of curl.
func (a ask) line(w *demoWorld) string {
	words := []string{"curl", "-i"}
	if !a.plain {
		words = append(words, "--cacert", w.file("cert.pem"))
	}
	if a.method != "" {
		words = append(words, "-X", a.method)
	}
	if a.browser {
		words = append(words, "-b", w.file("cookies"), "-c", w.file("cookies"))
	}
	for _, h := range a.headers {
		words = append(words, "-H", h)
	}
	if a.token {
		words = append(words, "-H", "@"+w.file("token"))
	}
	if a.form != "" {
		words = append(words, "-d", a.form)
	}
	words = append(words, a.url(w))
	for i, word := range words {
		words[i] = quoted(word)
	}
	return strings.Join(words, " ")
}

// quoted returns word as a POSIX shell reads it back.
func quoted(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\n'\"\\$`&|;<>()*?[]#~!{}%=") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// run makes the step's request; what is shown is the status and the beginning of
// the answer.
func (a ask) run(ctx context.Context, w *demoWorld) (shown string, held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := a.request(ctx, w)
	if err != nil {
		return "", false, err
	}
	client, err := w.client(a.browser)
	if err != nil {
		return "", false, err
	}
	response, err := client.Do(r)
	if err != nil {
		return "", false, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", false, err
	}
	var whole bytes.Buffer
	_ = response.Header.Write(&whole) // to memory
	_, _ = whole.Write(body)
	held = response.StatusCode == a.want && strings.Contains(whole.String(), a.shows) && (a.hides == "" || !strings.Contains(whole.String(), a.hides))
	return fmt.Sprintf("%d  %s", response.StatusCode, a.part(response.Header, body)), held, nil
}

func (a ask) request(ctx context.Context, w *demoWorld) (*http.Request, error) {
	method, body := a.method, io.Reader(http.NoBody)
	if a.form != "" {
		method, body = http.MethodPost, strings.NewReader(a.form)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.url(w), body)
	if err != nil {
		return nil, err
	}
	if a.form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if a.token {
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	for _, h := range a.headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	return r, nil
}

// part is what the check shows of an answer: the header fields that were
// promised, the detail of a problem, or the body.
func (a ask) part(header http.Header, body []byte) string {
	for name, values := range header {
		if a.shows != "" && strings.Contains(name+": "+strings.Join(values, "\n"), a.shows) {
			return name + ": " + strings.Join(values, " | ")
		}
	}
	var refused struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &refused) == nil && refused.Detail != "" {
		return refused.Detail
	}
	if a.hides != "" {
		return "without " + a.hides
	}
	return strings.TrimSpace(string(body))
}

// client trusts the demo's certificate and follows no redirect. All browsers
// share one jar of cookies, as the printed lines do.
func (w *demoWorld) client(browser bool) (*http.Client, error) {
	certificate, err := os.ReadFile(w.file("cert.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if browser {
		if w.cookies == nil {
			w.cookies, _ = cookiejar.New(nil) // fails never
		}
		client.Jar = w.cookies
	}
	return client, nil
}

// A look is a step that searches the log for the demo's secrets.
type look struct{ says string }

func (l look) promise() string { return l.says }

func (look) line(w *demoWorld) string {
	return strings.Join([]string{"grep", "-cFf", quoted(w.file("secrets")), quoted(w.file("warder.log"))}, " ")
}

// run counts the lines, and those that hold a text.
func (look) run(_ context.Context, w *demoWorld) (shown string, held bool, err error) {
	text, err := os.ReadFile(w.file("warder.log"))
	if err != nil {
		return "", false, err
	}
	lines, found := 0, 0
	for line := range strings.Lines(string(text)) {
		lines++
		for _, never := range w.secrets() {
			if strings.Contains(line, never) {
				found++
				break
			}
		}
	}
	return fmt.Sprintf("%d  of %d lines", found, lines), found == 0 && lines > 0, nil
}
