package csrf_test

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

const urlencoded = "Content-Type: application/x-www-form-urlencoded"

// parts makes a multipart form of name, value pairs; a name that begins with
// "@" is a file's.
func parts(pairs ...string) (contentType, body string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary("fence")
	for i := 0; i < len(pairs); i += 2 {
		if name, ok := strings.CutPrefix(pairs[i], "@"); ok {
			part, _ := w.CreateFormFile(name, "a.txt")
			_, _ = io.WriteString(part, pairs[i+1])
			continue
		}
		_ = w.WriteField(pairs[i], pairs[i+1])
	}
	_ = w.Close()
	return "Content-Type: " + w.FormDataContentType(), b.String()
}

func form(pairs ...string) sent {
	contentType, body := parts(pairs...)
	return sent{fields: fields(contentType), body: body}
}

func TestForms(t *testing.T) {
	s := newStage(t, csrf.Config{})
	good, bad := tokenFor(t, s, alice("s1")), tokenFor(t, s, alice("s2"))
	plain := func(body string) sent { return sent{fields: fields(urlencoded), body: body} }
	long := strings.Repeat("x", 64<<10)
	cut := form("a", "1", "csrf_token", good)
	cut.body = cut.body[:len(cut.body)-len(good)]
	run(t, csrf.Config{}, []row{
		{"urlencoded", plain("csrf_token=" + good), ""},
		{"urlencoded, among others", plain("a=1&csrf_token=" + good + "&b=%zz"), ""},
		{"urlencoded, name escaped", plain("csrf%5ftoken=" + good), ""},
		{"urlencoded, value escaped", plain("csrf_token=" + strings.ReplaceAll(url.QueryEscape(good), "-", "%2D")), ""},
		{"urlencoded, with a charset", sent{fields: fields(urlencoded + "; charset=UTF-8"), body: "csrf_token=" + good}, ""},
		{"urlencoded, wrong", plain("csrf_token=" + bad), "bad-token"},
		{"urlencoded, empty", plain("csrf_token="), "bad-token"},
		{"urlencoded, no value", plain("csrf_token"), "bad-token"},
		{"urlencoded, value that does not decode", plain("csrf_token=%zz"), "bad-token"},
		{"urlencoded, the first one counts", plain("csrf_token=" + bad + "&csrf_token=" + good), "bad-token"},
		{"urlencoded, none", plain("a=1"), "no-origin"},
		{"urlencoded, no body", plain(""), "no-origin"},
		{"urlencoded, behind what is read", plain("a=" + long + "&csrf_token=" + good), "long-form"},
		{"urlencoded, before what is not read", plain("csrf_token=" + good + "&a=" + long), ""},
		{"urlencoded, cut by what is not read", plain("a=" + long[:len(long)-20] + "&csrf_token=" + good), "long-form"},
		{"multipart", form("csrf_token", good), ""},
		{"multipart, among others", form("a", "1", "@f", "csrf_token="+bad, "csrf_token", good, "b", "2"), ""},
		{"multipart, wrong", form("csrf_token", bad), "bad-token"},
		{"multipart, empty", form("csrf_token", ""), "bad-token"},
		{"multipart, as a file", form("@csrf_token", good), "no-origin"},
		{"multipart, none", form("a", "1"), "no-origin"},
		{"multipart, cut inside of the token", cut, "no-origin"},
		{"multipart, before a long file", form("csrf_token", good, "@f", long), ""},
		{"multipart, behind a long file", form("@f", long, "csrf_token", good), "long-form"},
		{"multipart, another boundary", sent{fields: fields("Content-Type: multipart/form-data; boundary=other"), body: form("csrf_token", good).body}, "no-origin"},
		{"multipart, without a boundary", sent{fields: fields("Content-Type: multipart/form-data"), body: form("csrf_token", good).body}, "no-origin"},
		{"text/plain is no form", sent{fields: fields("Content-Type: text/plain"), body: "csrf_token=" + good}, "no-origin"},
		{"JSON is no form", sent{fields: fields("Content-Type: application/json"), body: `{"csrf_token":"` + good + `"}`}, "no-origin"},
		{"two content types", sent{fields: fields(urlencoded, urlencoded), body: "csrf_token=" + good}, "no-origin"},
		{"an endless content type", sent{fields: fields(urlencoded + "; a=" + long), body: "csrf_token=" + good}, "no-origin"},
		{"a wrong header is not mended by the form", sent{fields: fields(urlencoded, "X-CSRF-Token: "+bad), body: "csrf_token=" + good}, "bad-token"},
		{"a right header does not need the form", sent{fields: fields(urlencoded, "X-CSRF-Token: "+good), body: "csrf_token=" + bad}, ""},
	})
	run(t, csrf.Config{Field: "authenticity", Header: "X-Proof"}, []row{
		{"another name", plain("authenticity=" + good), ""},
		{"another header", sent{fields: fields("X-Proof: " + good)}, ""},
		{"the default name then is none", plain("csrf_token=" + good), "no-origin"},
		{"the default header then is none", with(good), "no-origin"},
	})
}

func TestCSRF10NotFromTheAddress(t *testing.T) {
	attack.Case(t, "CSRF-10", attack.Library, func(t *testing.T) {
		good := tokenFor(t, newStage(t, csrf.Config{}), alice("s1"))
		run(t, csrf.Config{}, []row{
			{"in the query", sent{url: page + "?csrf_token=" + good}, "no-origin"},
			{"in the query, under the header's name", sent{url: page + "?X-CSRF-Token=" + good}, "no-origin"},
			{"in the query of a form", sent{url: page + "?csrf_token=" + good, fields: fields(urlencoded), body: "a=1"}, "no-origin"},
			{"in the query of a multipart form", sent{url: page + "?csrf_token=" + good, fields: form("a", "1").fields, body: form("a", "1").body}, "no-origin"},
			{"in the path", sent{url: page + "/" + good}, "no-origin"},
			{"in the Referer", sent{fields: fields("Referer: " + page + "?csrf_token=" + good)}, "no-origin"},
		})
	})
}

// counting counts what was read of it, and breaks behind its text when told to.
type counting struct {
	text io.Reader
	err  error
	read int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.text.Read(p)
	c.read += n
	if errors.Is(err, io.EOF) && c.err != nil {
		err = c.err
	}
	return n, err
}

func TestNotMoreOfAFormIsReadThanMaxForm(t *testing.T) {
	s := newStage(t, csrf.Config{MaxForm: 2048})
	for name, content := range map[string]string{"urlencoded": urlencoded, "multipart": "Content-Type: multipart/form-data; boundary=b"} {
		body := &counting{text: strings.NewReader(strings.Repeat("a", 1<<20))}
		x := sent{fields: fields(content), reader: body}.exchangeOf(alice("s1"))
		if v := s.Check(x); v.Reason() != "long-form" || body.read > 2048 {
			t.Errorf("%s: %q after %d bytes, want long-form after 2048", name, v.Reason(), body.read)
		}
	}
	// The route's own limit counts where it is lower.
	body := &counting{text: strings.NewReader(strings.Repeat("a", 1<<20))}
	x := sent{fields: fields(urlencoded), reader: body}.exchangeOf(alice("s1"))
	x.BodyLimit = 100
	if v := s.Check(x); v.Reason() != "long-form" || body.read > 100 {
		t.Errorf("%q after %d bytes, want long-form after 100", v.Reason(), body.read)
	}
}

func TestAFormIsReadOnlyWhenItIsNeeded(t *testing.T) {
	s := newStage(t, csrf.Config{})
	good := tokenFor(t, s, alice("s1"))
	for name, f := range map[string][]string{
		"same origin":  fields("Sec-Fetch-Site: same-origin"),
		"cross site":   fields("Sec-Fetch-Site: cross-site"),
		"header token": fields("X-CSRF-Token: " + good),
		"wrong token":  fields("X-CSRF-Token: x"),
	} {
		body := &counting{text: strings.NewReader("csrf_token=" + good)}
		x := sent{fields: append(f, urlencoded), reader: body}.exchangeOf(alice("s1"))
		before := x.Request.Body
		if s.Check(x); body.read != 0 || x.Request.Body != before {
			t.Errorf("%s: %d bytes of the form were read", name, body.read)
		}
	}
}

func TestTheBodyArrivesWhole(t *testing.T) {
	s := newStage(t, csrf.Config{MaxForm: 1024})
	good := tokenFor(t, s, alice("s1"))
	for _, size := range []int{0, 1, 500, 1023, 1024, 1025, 5000} {
		text := "csrf_token=" + good
		text += strings.Repeat("&a=1", size)[:max(0, size-len(text))]
		for _, declared := range []bool{true, false} {
			for _, step := range []int{1, 7, 4096} {
				request := sent{fields: fields(urlencoded), body: text}
				if !declared {
					request.reader = io.MultiReader(strings.NewReader(text))
				}
				var got []byte
				h := exchange.Wrap(pass(s, 1<<20), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = readBy(t, r.Body, step) }))
				if request.to(h); string(got) != text {
					t.Errorf("%d bytes, declared %v, read by %d: got %d bytes", len(text), declared, step, len(got))
				}
			}
		}
	}
}

func readBy(t *testing.T, r io.ReadCloser, step int) []byte {
	t.Helper()
	var all []byte
	p := make([]byte, step)
	for {
		n, err := r.Read(p)
		all = append(all, p[:n]...)
		switch {
		case errors.Is(err, io.EOF):
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			return all
		case err != nil:
			t.Error(err)
			return all
		}
	}
}

// prepared is a stage behind what forwarded, authn and bodylimit find.
type prepared struct {
	*csrf.Stage
	limit int64
}

func pass(s *csrf.Stage, limit int64) prepared { return prepared{s, limit} }

func (p prepared) Check(x *exchange.Exchange) exchange.Verdict {
	x.Scheme, x.Host, x.Principal, x.BodyLimit = "https", "app.example.com", alice("s1"), p.limit
	return p.Stage.Check(x)
}

func TestTheBodyLimitHolds(t *testing.T) {
	s := newStage(t, csrf.Config{})
	body := "csrf_token=" + tokenFor(t, s, alice("s1")) + "&a=" + strings.Repeat("1", 1000)
	h := exchange.Wrap(pass(s, 500), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		var over *http.MaxBytesError
		if string(got) != body[:500] || !errors.As(err, &over) {
			t.Errorf("the handler read %d bytes, then %v; want 500 and the limit's error", len(got), err)
		}
	}))
	if w := (sent{fields: fields(urlencoded), body: body}).to(h); w.Code != http.StatusOK {
		t.Errorf("status %d, want 200", w.Code)
	}
}

func TestABodyThatBreaks(t *testing.T) {
	broken := errors.New("connection reset")
	s := newStage(t, csrf.Config{})
	good := tokenFor(t, s, alice("s1"))
	for _, tt := range []struct{ name, body, reason string }{
		{"before the token", "a=1", "broken-form"},
		{"inside of the token", "csrf_token=" + good, "broken-form"},
		{"behind the token", "csrf_token=" + good + "&a=", ""},
	} {
		x := sent{fields: fields(urlencoded), reader: &counting{text: strings.NewReader(tt.body), err: broken}}.exchangeOf(alice("s1"))
		if v := s.Check(x); v.Reason() != tt.reason {
			t.Errorf("%s: %q, want %q", tt.name, v.Reason(), tt.reason)
		}
		if got, err := io.ReadAll(x.Request.Body); string(got) != tt.body || !errors.Is(err, broken) {
			t.Errorf("%s: the handler reads %q, %v; want all of it, and then what broke it", tt.name, got, err)
		}
	}
}

// forgetful gives more after it broke, as if nothing had happened.
type forgetful struct{ reads []string }

func (f *forgetful) Read(p []byte) (int, error) {
	if len(f.reads) == 0 {
		return 0, io.EOF
	}
	text := f.reads[0]
	f.reads = f.reads[1:]
	if text == "" {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(p, text), nil
}

func TestABodyThatBrokeStaysBroken(t *testing.T) {
	s := newStage(t, csrf.Config{})
	text := "csrf_token=" + tokenFor(t, s, alice("s1")) + "&a=1"
	x := sent{fields: fields(urlencoded), reader: &forgetful{[]string{text, "", "&b=2"}}}.exchangeOf(alice("s1"))
	if v := s.Check(x); !v.Passed() {
		t.Fatalf("refused: %s", v.Reason())
	}
	if got, err := io.ReadAll(x.Request.Body); string(got) != text || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the handler reads %q, %v; want what came before, and the error", got, err)
	}
}

// Whatever the body is, the handler gets it byte for byte, and only a token of
// the sender's passes: it stands where the body says TOKEN.
func FuzzForm(f *testing.F) {
	s := newStage(f, csrf.Config{MaxForm: 1024})
	good := tokenFor(f, s, alice("s1"))
	for _, body := range []string{"csrf_token=TOKEN", "a=1&csrf_token=x", "", "&&=&", form("csrf_token", "TOKEN").body, form("a", "1").body} {
		f.Add(strings.TrimPrefix(urlencoded, "Content-Type: "), body)
		f.Add("multipart/form-data; boundary=fence", body)
	}
	f.Fuzz(func(t *testing.T, contentType, template string) {
		body := strings.ReplaceAll(template, "TOKEN", good)
		r := httptest.NewRequest(http.MethodPost, page, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		x := exchange.New(r)
		x.Scheme, x.Host, x.Principal = "https", "app.example.com", alice("s1")
		if s.Check(x).Passed() && !strings.Contains(template, "TOKEN") {
			t.Errorf("%q: %q passes", contentType, body)
		}
		if got, err := io.ReadAll(x.Request.Body); err != nil || string(got) != body {
			t.Errorf("%q: the handler reads %q, %v instead of %q", contentType, got, err, body)
		}
	})
}
