package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// A Browser is one tab with a profile of its own. It belongs to one goroutine.
// Its methods fail the test when the browser itself does not do what they ask;
// what a page or a server says they return.
type Browser struct {
	tb  testing.TB
	ctx context.Context // how chromedp names a tab

	mu      sync.Mutex
	console []string // guarded by mu: chromedp reports from a goroutine of its own

	requests []string // guarded by mu as well; see Watch
}

// Start opens a tab in a fresh profile, in the package's Chromium, until the test
// ends. The package's TestMain has to call [Main]. When the test fails, its log
// holds what the browser's console said: why CORS refused, for example.
func Start(tb testing.TB) *Browser {
	tb.Helper()
	if err := shared.start(); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(shared.ctx, chromedp.WithNewBrowserContext())
	tb.Cleanup(cancel)
	b := &Browser{tb: tb, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		tb.Fatalf("browser: open a tab: %v", err)
	}
	enable := chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, log.Enable, cdp.Empty{})
		return err
	})
	if err := chromedp.Do(ctx, enable); err != nil {
		tb.Fatalf("browser: %v", err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			for _, line := range b.Console() {
				tb.Log("console:", line)
			}
		}
	})
	return b
}

func (b *Browser) listen(event any) {
	if e, ok := event.(*log.EventEntryAdded); ok {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.console = append(b.console, string(e.Entry.Level)+" "+e.Entry.Text)
		return
	}
	b.watched(event)
}

// Console returns what the browser itself told in its console so far: failed
// loads and the reasons of CORS, not what pages logged.
func (b *Browser) Console() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.console...)
}

// A Loaded is a page that was navigated to.
type Loaded struct {
	Status int
	Text   string // of its body, as it is seen
	URL    string // where the tab is
}

// Open navigates to url, as if it had been typed in, and waits until it is loaded.
func (b *Browser) Open(url string) Loaded {
	b.tb.Helper()
	return b.navigate("open "+url, chromedp.Navigate(url))
}

// Follow sets location.href, as a link on the open page would.
func (b *Browser) Follow(url string) Loaded {
	b.tb.Helper()
	return b.navigate("follow "+url, script("location.href = "+quote(url)))
}

// A Form is what [Browser.Submit] submits.
type Form struct {
	Action  string // where to
	Method  string // "post" by default
	Enctype string // such as "text/plain"; the browser's default is urlencoded
	Target  string // a frame's name; [Browser.Submit] waits for the tab itself
	Fields  map[string]string
}

// Submit puts the form into the open page, submits it, and waits until its answer
// is loaded.
func (b *Browser) Submit(f Form) Loaded {
	b.tb.Helper()
	if f.Method == "" {
		f.Method = "post"
	}
	js := fmt.Sprintf(`(() => {
		const f = document.createElement("form"), values = %s;
		f.action = %s; f.method = %s; f.target = %s;
		if (%s) f.enctype = %[5]s;
		for (const name in values) {
			const i = document.createElement("input");
			i.type = "hidden"; i.name = name; i.value = values[name];
			f.append(i);
		}
		document.body.append(f);
		f.submit();
	})()`, encode(f.Fields), quote(f.Action), quote(f.Method), quote(f.Target), quote(f.Enctype))
	return b.navigate("submit to "+f.Action, script(js))
}

// navigate runs step, which leads to another page, and waits for that.
func (b *Browser) navigate(what string, step chromedp.Action[chromedp.Void]) Loaded {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, step)
	if err != nil {
		b.tb.Fatalf("browser: %s: %v", what, err)
	}
	page := Loaded{Status: int(response.Status)}
	b.Eval("[document.body.innerText, location.href]", &[]any{&page.Text, &page.URL})
	return page
}

// script is js as a step whose value nobody wants.
func script(js string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Evaluate[string](js+`; ""`)(ctx, t)
		return chromedp.Void{}, err
	}
}

// Eval evaluates js, an expression, in the open page, waits for it when it is a
// promise, and decodes its value, which has to be JSON, into result. A script
// that throws fails the test.
func (b *Browser) Eval(js string, result any) {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	wrapped := "(async () => JSON.stringify((await (" + js + ")) ?? null))()"
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](wrapped, chromedp.EvalAwaitPromise))
	if err != nil {
		b.tb.Fatalf("browser: evaluate %s: %v", js, err)
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal([]byte(text), result); err != nil {
		b.tb.Fatalf("browser: %s is %s: %v", js, text, err)
	}
}

// A Fetched is what a script got from fetch: as much as the browser let it read.
type Fetched struct {
	Failed  string            // the exception's text; "" when there was an answer
	Type    string            // "basic", "cors", "opaque"
	Status  int               // 0 for an opaque answer
	Headers map[string]string // the names in lower case
	Body    string
}

// Fetch calls fetch(url, options) in the open page. options is a JavaScript
// expression, "" for none.
func (b *Browser) Fetch(url, options string) Fetched {
	b.tb.Helper()
	if options == "" {
		options = "{}"
	}
	var f Fetched
	b.Eval(FetchScript(url, options), &f)
	return f
}

// FetchScript is the expression that [Browser.Fetch] evaluates, for pages that
// have to run it elsewhere, such as in a frame. It makes a promise of a [Fetched].
func FetchScript(url, options string) string {
	return `fetch(` + quote(url) + `, ` + options + `).then(
		async r => ({Type: r.type, Status: r.status, Headers: Object.fromEntries(r.headers), Body: await r.text()}),
		e => ({Failed: String(e)}))`
}

// Cookies returns the cookies that the browser would send to url, by name. Of two
// with one name it returns both values, separated by a comma.
func (b *Browser) Cookies(url string) map[string]string {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	got, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{url}})
	if err != nil {
		b.tb.Fatalf("browser: cookies of %s: %v", url, err)
	}
	all := make(map[string]string, len(got.Cookies))
	for _, c := range got.Cookies {
		if before, ok := all[c.Name]; ok {
			all[c.Name] = before + "," + c.Value
			continue
		}
		all[c.Name] = c.Value
	}
	return all
}

// encode is v as a JavaScript literal.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and maps of them
	}
	return string(b)
}

func quote(s string) string { return encode(s) }
