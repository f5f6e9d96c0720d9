// Package pebble_test gets certificates of a real authority: pebble, the small
// one that Let's Encrypt tests clients with, in this process.
package pebble_test

import (
	"crypto/x509"
	"io"
	"log" //nolint:depguard // what pebble and net/http want
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/warder-dev/warder/internal/testcert"
)

// patience is how long one step may take on a machine that is busy.
const patience = time.Minute

// An authority is a running pebble with a resolver of its own, which finds every
// name on this machine.
type authority struct {
	directory string // URL
	caFile    string // who signed the directory's own certificate
	folder    string

	handler atomic.Pointer[http.Handler]
	orders  atomic.Int64 // that were made
	fault   atomic.Pointer[fault]
	ca      *ca.CAImpl
	db      *db.MemoryStore

	resolver string // host:port of the DNS server that it asks

	mu      sync.Mutex
	records map[string][]string // TXT, by name with the root's dot
	late    int                 // questions for TXT that go by before the records show
	early   bool                // it was asked to look at a record that does not show yet
	looks   int                 // questions for TXT
	told    int                 // requests about challenges, the first of which say that it may look
}

// A fault answers in the authority's place; false lets the request through.
type fault func(w http.ResponseWriter, r *http.Request) bool

// newAuthority opens an authority's port. It answers 503 until serve is called:
// it must know the ports that it looks at, and others the port where it is.
func newAuthority(t *testing.T) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_AUTHZREUSE", "0")
	a := &authority{folder: t.TempDir(), records: map[string][]string{}}
	root := testcert.NewCA(t, "pebble's own")
	a.caFile = filepath.Join(a.folder, "directory-ca.pem")
	testcert.Replace(t, a.caFile, root.PEM)
	server := httptest.NewUnstartedServer(http.HandlerFunc(a.serveHTTP))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that leave are a part of the tests
	server.TLS = testcertTLS(root.Issue(t, testcert.Leaf{}))
	server.StartTLS()
	t.Cleanup(server.Close)
	a.directory = server.URL + wfe.DirectoryPath
	a.resolver = a.serveDNS(t)
	return a
}

// created counts orders that are made: pebble refuses one nonce of twenty, and then
// the same order comes again.
type created struct {
	http.ResponseWriter
	orders *atomic.Int64
}

func (w created) WriteHeader(status int) {
	if status == http.StatusCreated {
		w.orders.Add(1)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (a *authority) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/chalZ/") {
		a.mu.Lock()
		a.told++
		a.early = a.early || a.late > 0
		a.mu.Unlock()
	}
	if strings.Contains(r.URL.Path, "order-plz") {
		w = created{w, &a.orders}
	}
	if f := a.fault.Load(); f != nil && (*f)(w, r) {
		return
	}
	h := a.handler.Load()
	if h == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	(*h).ServeHTTP(w, r)
}

// inject makes the authority faulty; nil mends it.
func (a *authority) inject(f fault) {
	if f == nil {
		a.fault.Store(nil)
		return
	}
	a.fault.Store(&f)
}

// serve starts the authority: it looks for HTTP-01 and TLS-ALPN-01 at these
// ports, and its certificates live for seconds.
func (a *authority) serve(t *testing.T, httpPort, tlsPort int, seconds uint64) {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	a.db = db.NewMemoryStore()
	a.ca = ca.New(quiet, a.db, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default", ValidityPeriod: seconds}})
	looks := va.New(quiet, httpPort, tlsPort, false, a.resolver, a.db)
	front := wfe.New(quiet, a.db, looks, a.ca, []string{"pebble.test"}, false, false, 0, 0)
	handler := front.Handler()
	a.handler.Store(&handler)
}

// roots are the authorities of the certificates that are got.
func (a *authority) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.ca.GetRootCert(0).PEM()) {
		t.Fatal("pebble has no root")
	}
	return pool
}

// serveDNS starts a DNS server and returns its address.
func (a *authority) serveDNS(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(a.resolve)}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// delay hides all records from the next questions for them.
func (a *authority) delay(questions int) {
	a.mu.Lock()
	a.late = questions
	a.mu.Unlock()
}

func (a *authority) resolve(w dns.ResponseWriter, question *dns.Msg) {
	answer := new(dns.Msg)
	answer.SetReply(question)
	for _, q := range question.Question {
		head := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET}
		switch q.Qtype {
		case dns.TypeA:
			answer.Answer = append(answer.Answer, &dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)})
		case dns.TypeTXT:
			a.mu.Lock()
			a.looks++
			if a.late > 0 {
				a.late--
				a.mu.Unlock()
				break
			}
			for _, value := range a.records[strings.ToLower(q.Name)] {
				answer.Answer = append(answer.Answer, &dns.TXT{Hdr: head, Txt: []string{value}})
			}
			a.mu.Unlock()
		default:
		}
	}
	_ = w.WriteMsg(answer)
}

// port is the port of a listener.
func port(t *testing.T, l net.Listener) int {
	t.Helper()
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("%s is no TCP address", l.Addr())
	}
	return at.Port
}

// await polls until f is content.
func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
