package pebble_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
)

// A load is clients that ask without a pause: some over a connection for each
// request, some over one that they keep.
type load struct {
	answered, failed atomic.Int64
	first            atomic.Pointer[error]
	mu               sync.Mutex
	serials          map[string]int // of the certificates that were shown, with how often

	stop context.CancelFunc
	done sync.WaitGroup
}

const clients = 6

func (g *gateway) load(ctx context.Context, roots *x509.CertPool, name string) *load {
	l := &load{serials: map[string]int{}}
	ctx, l.stop = context.WithCancel(ctx)
	for i := range clients {
		client := g.client(roots, name)
		if transport, ok := client.Transport.(*http.Transport); ok {
			transport.DisableKeepAlives = i%2 == 0
		}
		l.done.Go(func() {
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				l.ask(ctx, client, "https://"+name+"/")
			}
		})
	}
	return l
}

func (l *load) ask(ctx context.Context, client *http.Client, url string) {
	status, shown, err := get(ctx, client, url)
	switch {
	case ctx.Err() != nil:
	case err != nil || status != http.StatusOK:
		if err == nil {
			err = fmt.Errorf("status %d", status)
		}
		l.failed.Add(1)
		l.first.CompareAndSwap(nil, &err)
	default:
		l.answered.Add(1)
		l.mu.Lock()
		l.serials[shown.SerialNumber.String()]++
		l.mu.Unlock()
	}
}

// shown is how many certificates were shown so far.
func (l *load) shown() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.serials)
}

// end stops the clients and tells what failed: nothing may.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.done.Wait()
	t.Logf("%d requests answered, %d failed, %d certificates shown", l.answered.Load(), l.failed.Load(), len(l.serials))
	if err := l.first.Load(); err != nil {
		t.Errorf("%d requests failed, the first: %v", l.failed.Load(), *err)
	}
	if l.answered.Load() == 0 {
		t.Error("nothing was asked")
	}
}

// more waits until n more requests were answered.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	from := l.answered.Load()
	await(t, "requests", func() bool { return l.answered.Load() >= from+n || l.failed.Load() > 0 })
}

// TestRenewalUnderLoad lets a certificate come of age while clients ask.
func TestRenewalUnderLoad(t *testing.T) {
	a := newAuthority(t)
	const host = "renewed.test"
	g := open(t, a.acmeYAML(filepath.Join(t.TempDir(), "acme"), true, host))
	a.serve(t, port(t, g.listeners.Redirect), port(t, g.listeners.Public), 24) // due after 16 s
	g.run(t)
	client := g.client(a.roots(t), host)
	await(t, "a certificate", func() bool {
		status, _, err := get(t.Context(), client, "https://"+host+"/")
		return err == nil && status == http.StatusOK
	})
	l := g.load(t.Context(), a.roots(t), host)
	await(t, "a renewal", func() bool { return l.shown() > 1 || l.failed.Load() > 0 })
	l.more(t, 50)
	l.end(t)
	if ready := g.text(t, "/readyz"); ready != "ready\n" {
		t.Errorf("readyz = %q", ready)
	}
}

// TestFilesReplacedUnderLoad replaces the files of a certificate a few times,
// also by what cannot be used.
func TestFilesReplacedUnderLoad(t *testing.T) {
	attack.Case(t, "TLS-08", attack.Gateway, func(t *testing.T) {
		folder := t.TempDir()
		root := testcert.NewCA(t, "root")
		issue := func() testcert.Pair { return root.Issue(t, testcert.Leaf{Names: []string{"files.test"}}) }
		cert, key := issue().Write(t, folder, "tls")
		g := open(t, fmt.Sprintf("tls:\n  certificates:\n    - {cert_file: %s, key_file: %s}\n", cert, key))
		g.run(t)
		l := g.load(t.Context(), root.Pool(), "files.test")
		l.more(t, 50)
		issue().Write(t, folder, "tls")
		await(t, "the new certificate", func() bool { return l.shown() == 2 || l.failed.Load() > 0 })
		for _, broken := range []struct {
			name, cause string
			content     []byte
		}{
			{"garbage", "failed to find any PEM data", []byte("nothing")},
			{"another's certificate", "private key does not match public key", issue().Cert},
		} {
			name, before := broken.name, l.shown()
			testcert.Replace(t, cert, broken.content)
			await(t, "the log", func() bool {
				return strings.Contains(g.log(t), "a TLS file cannot be used; what was loaded before stays") && strings.Contains(g.log(t), broken.cause)
			})
			await(t, "readiness with care", func() bool {
				return g.text(t, "/readyz") == "ready, but a certificate needs care: see the log\n"
			})
			if problems := g.metric(t, "warder_tls_certificate_problems"); problems != "1" {
				t.Errorf("%s: problems = %s, want 1", name, problems)
			}
			l.more(t, 50)
			if l.shown() != before {
				t.Errorf("%s: it was shown", name)
			}
		}
		issue().Write(t, folder, "tls")
		await(t, "readiness", func() bool { return g.text(t, "/readyz") == "ready\n" })
		if problems := g.metric(t, "warder_tls_certificate_problems"); problems != "0" {
			t.Errorf("problems = %s, want 0", problems)
		}
		l.more(t, 50)
		l.end(t)
	})
}

// hour is longer than any test.
const hour = uint64(time.Hour / time.Second)
