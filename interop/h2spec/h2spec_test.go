package h2spec_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"

	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/tlsconfig"
)

// What h2spec waits for what must happen; in a handful of cases it waits in vain
// for what must not. A case that fails is tried once more with much more time,
// since the machine may have other work.
const (
	patience = 3 * time.Second
	much     = 30 * time.Second
)

// serve runs our server with TLS, and the edge behind it, on a port of its own.
func serve(t *testing.T) *net.TCPAddr {
	t.Helper()
	cert, key := testcert.SelfSigned(t, testcert.Leaf{}).Write(t, t.TempDir(), "tls")
	source, err := tlsconfig.New(tlsconfig.Config{Certificates: []tlsconfig.Files{{Certificate: cert, Key: key}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	paths, err := target.New(target.Config{})
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // h2spec breaks off in the middle
		_, _ = io.WriteString(w, "an answer of some bytes, for the cases of flow control")
	})
	server, err := httpserver.New(httpserver.Config{Handler: forwarded.Direct().Wrap(paths.Wrap(handler)), TLS: source.TLS()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 100*time.Millisecond)
		defer cancel()
		_ = server.Shutdown(ctx) // h2spec leaves connections behind
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("listens on %v", l.Addr())
	}
	return at
}

// results collects what came of each case below a group, by its id.
func results(g *spec.TestGroup, into map[string]*spec.TestResult) {
	for _, tests := range [][]*spec.TestCase{g.Tests, g.StrictTests} {
		for _, c := range tests {
			if c.Result != nil {
				into[fmt.Sprintf("%s/%d", g.ID(), c.Result.Sequence)] = c.Result
			}
		}
	}
	for _, below := range g.Groups {
		results(below, into)
	}
}

// judge runs cases, all when none is named, and returns what came of each.
func judge(at *net.TCPAddr, wait time.Duration, cases ...string) map[string]*spec.TestResult {
	cfg := &config.Config{
		Host: at.IP.String(), Port: at.Port, Path: "/", Timeout: wait, MaxHeaderLen: 4000, TLS: true, Insecure: true, Strict: true, Sections: cases,
	}
	all := map[string]*spec.TestResult{}
	for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		group.Test(cfg)
		results(group, all)
	}
	return all
}

func TestHTTP2(t *testing.T) {
	at := serve(t)
	all := judge(at, patience)
	if len(all) < 140 {
		t.Errorf("h2spec has %d cases, want its 146", len(all))
	}
	known := exceptions()
	var again []string
	for id, result := range all {
		if result.Failed && known[id] == "" {
			again = append(again, id)
		}
	}
	if len(again) > 0 {
		maps.Copy(all, judge(at, much, again...))
	}
	for id, result := range all {
		switch {
		case result.Skipped:
			t.Errorf("%s (%s) was skipped", id, result.TestCase.Desc)
		case result.Failed && known[id] == "":
			t.Errorf("%s (%s): %v", id, result.TestCase.Desc, result.Error)
		case !result.Failed && known[id] != "":
			t.Errorf("%s (%s) passes: take it off the list (%s)", id, result.TestCase.Desc, known[id])
		}
	}
	for id := range known {
		if all[id] == nil {
			t.Errorf("the list names %s, which does not exist", id)
		}
	}
	t.Logf("%d cases, of which %d fail as listed", len(all), len(known))
}
