package browser

import (
	"context"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// do runs one command of the browser's.
func (b *Browser) do(what string, command func(context.Context, *chromedp.Target) error) {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Func(command)); err != nil {
		b.tb.Fatalf("browser: %s: %v", what, err)
	}
}

// Watch notes from now on where pages ask, and what their scripts throw or write to
// the console as an error.
func (b *Browser) Watch() {
	b.tb.Helper()
	b.do("watch", func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, runtime.Enable, cdp.Empty{})
		return err
	})
}

// Requests returns the addresses that were asked for since [Browser.Watch].
func (b *Browser) Requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.requests...)
}

// watched notes an event of [Browser.Watch].
func (b *Browser) watched(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.console = append(b.console, "error exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if string(e.Type) == "error" {
			b.console = append(b.console, "error written by a script")
		}
	}
}

// WithoutScripts lets no page run a script from now on.
func (b *Browser) WithoutScripts() {
	b.tb.Helper()
	b.do("switch scripts off", func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	})
}

// Fill writes values into the fields of the open page's form with that action, by the
// fields' names.
func (b *Browser) Fill(action string, values map[string]string) {
	b.tb.Helper()
	var missing []string
	b.Eval(`(() => {
		const form = document.querySelector("form[action='" + `+quote(action)+` + "']"), values = `+encode(values)+`;
		if (!form) return ["the form"];
		return Object.keys(values).filter(name => {
			const field = form.elements[name];
			if (!field) return true;
			field.value = values[name];
		});
	})()`, &missing)
	if len(missing) > 0 {
		b.tb.Fatalf("browser: the page lacks %s of the form %s", strings.Join(missing, ", "), action)
	}
}

// Send sends the open page's form with that action as its button does, checks of the
// browser included, and waits until the answer is loaded.
func (b *Browser) Send(action string) Loaded {
	b.tb.Helper()
	return b.navigate("send the form "+action, script(`document.querySelector("form[action='" + `+quote(action)+` + "'] button:not([type=button])").click()`))
}

// Reload loads the open page again, and sends what it was the answer to again.
func (b *Browser) Reload() Loaded {
	b.tb.Helper()
	return b.navigate("reload", script("location.reload()"))
}

// Back goes to the page before, and returns what the browser shows then: whatever it
// kept.
func (b *Browser) Back() (html string) {
	b.tb.Helper()
	var from string
	b.Eval("location.href", &from)
	b.Eval("void setTimeout(() => history.back(), 0)", nil)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.readyState + " " + location.href + "\n" + document.documentElement.outerHTML`))
		cancel()
		if err != nil {
			continue // in between two pages
		}
		place, html, _ := strings.Cut(text, "\n")
		if state, at, _ := strings.Cut(place, " "); state == "complete" && at != from {
			return html
		}
	}
	b.tb.Fatal("browser: back leads nowhere")
	return ""
}

// Narrow makes the window as wide as a phone's, in CSS pixels; 0 makes it what it was.
func (b *Browser) Narrow(width int64) {
	b.tb.Helper()
	b.do("make the window narrow", func(ctx context.Context, t *chromedp.Target) error {
		if width == 0 {
			_, err := cdp.Call(ctx, t, emulation.ClearDeviceMetricsOverride, cdp.Empty{})
			return err
		}
		_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 844, DeviceScaleFactor: 1, Mobile: true})
		return err
	})
}
