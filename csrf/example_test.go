package csrf_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"

	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

// A form's page holds a token, which its answer is judged by where the browser
// says nothing of the page.
func ExampleStage_Token() {
	key := secret.New("32 bytes at least of a random source") // from a file, or the environment
	s, err := csrf.New(csrf.Config{Keys: []secret.Text{key}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	// What the stages forwarded and authn find of a request with alice's cookie.
	arrive := func(r *http.Request) *exchange.Exchange {
		x := exchange.New(r)
		x.Scheme, x.Host = "https", "app.example.com"
		x.Principal = exchange.Principal{Issuer: "warder", Subject: "alice", Session: "b3f1", Ambient: true}
		return x
	}

	page := arrive(httptest.NewRequest(http.MethodGet, "https://app.example.com/orders/new", nil))
	form := url.Values{s.Field(): {s.Token(page)}, "amount": {"3"}} // <input type="hidden" name="{{.Field}}" value="{{.Token}}">

	post := httptest.NewRequest(http.MethodPost, "https://app.example.com/orders", strings.NewReader(form.Encode()))
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, _ = fmt.Fprintln(os.Stdout, "with the token:", s.Check(arrive(post)).Kind())

	evil := httptest.NewRequest(http.MethodPost, "https://app.example.com/orders", strings.NewReader("amount=3"))
	evil.Header.Set("Sec-Fetch-Site", "cross-site")
	v := s.Check(arrive(evil))
	_, _ = fmt.Fprintln(os.Stdout, "from elsewhere:", v.Kind(), v.Problem().Type.Status(), v.Reason())
	// Output:
	// with the token: passed
	// from elsewhere: refused 403 cross-site
}
