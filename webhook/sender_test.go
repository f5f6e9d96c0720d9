package webhook_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/webhook"
)

const (
	key    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
	former = "C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrsc"
)

// A receiver takes deliveries over TLS, and answers as the test says.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	got      []*http.Request
	bodies   []string
	answers  []func(http.ResponseWriter) // in order; the last one holds from then on
	received chan struct{}
}

func receive(t *testing.T, answers ...func(http.ResponseWriter)) *receiver {
	t.Helper()
	r := &receiver{answers: answers, received: make(chan struct{}, 1000)}
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	r.StartTLS()
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.got, r.bodies = append(r.got, q), append(r.bodies, string(body))
	var answer func(http.ResponseWriter)
	if len(r.answers) > 0 {
		answer = r.answers[min(len(r.got), len(r.answers))-1]
	}
	r.mu.Unlock()
	r.received <- struct{}{}
	if answer != nil {
		answer(w)
	}
}

// await waits for n deliveries.
func (r *receiver) await(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-r.received:
		case <-t.Context().Done():
			t.Fatal("no delivery came")
		}
	}
}

// status answers with a status.
func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

// endpoint is the receiver as an endpoint.
func (r *receiver) endpoint() webhook.Endpoint {
	pool := x509.NewCertPool()
	pool.AddCert(r.Certificate())
	return webhook.Endpoint{Name: "a", URL: r.URL + "/hook?token=word", Secret: secret.New(key), RootCAs: pool, InsecurePrivate: true}
}

func newSender(t *testing.T, outbox webhook.Outbox, log io.Writer, all ...webhook.Endpoint) *webhook.Sender {
	t.Helper()
	s, err := webhook.New(webhook.Config{Endpoints: all, Outbox: outbox, Log: slog.New(slog.NewTextHandler(log, nil)), Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func newEvent(t *testing.T, id string) webhook.Event {
	t.Helper()
	e, err := webhook.NewEvent(id, webhook.KeyExpiring, time.Now(), map[string]any{"key_id": "k1", "days": 7})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestDeliveryIsSignedAndMadeOnce(t *testing.T) {
	r := receive(t)
	end := r.endpoint()
	end.FormerSecret = secret.New(former)
	s := newSender(t, new(webhook.MemoryOutbox), io.Discard, end)
	e := newEvent(t, "expiring:k1")
	for range 3 { // whoever announces it again announces nothing
		if err := s.Send(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	other := newEvent(t, "expiring:k2")
	if err := s.Send(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	r.await(t, 2)
	awaitCounts(t, s, webhook.Counts{Delivered: 2})
	s.Close()
	if len(r.got) != 2 {
		t.Fatalf("%d deliveries, counts %+v, want 2", len(r.got), s.Counts())
	}
	for _, secrets := range [][]secret.Text{{secret.New(key)}, {secret.New(former)}, {secret.New("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), secret.New(key)}} {
		if _, err := webhook.Verify(r.got[0].Header, []byte(r.bodies[0]), time.Now(), secrets...); err != nil {
			t.Errorf("Verify = %v", err)
		}
	}
	var body struct {
		ID, Type  string
		Timestamp time.Time
		Data      map[string]any
	}
	if err := json.Unmarshal([]byte(r.bodies[0]), &body); err != nil || body.Type != webhook.KeyExpiring || body.Data["key_id"] != "k1" && body.Data["key_id"] != "k2" || body.Timestamp.IsZero() {
		t.Errorf("body = %s, %v", r.bodies[0], err)
	}
	if h := r.got[0].Header; h.Get("Content-Type") != "application/json" || h.Get("User-Agent") != "warder/1" {
		t.Errorf("header = %v", h)
	}
}

// What is changed on the way, is of another time or was sent before does not hold.
func TestVerify(t *testing.T) {
	r := receive(t)
	s := newSender(t, new(webhook.MemoryOutbox), io.Discard, r.endpoint())
	if err := s.Try(t.Context(), "a", newEvent(t, "e1")); err != nil {
		t.Fatal(err)
	}
	good, body, now := r.got[0].Header, r.bodies[0], time.Now()
	for name, tt := range map[string]struct { // a delivery that is sent again later among them
		change func(http.Header)
		body   string
		now    time.Time
	}{
		"another body":      {func(http.Header) {}, body + " ", now},
		"another id":        {func(h http.Header) { h.Set(webhook.FieldID, "e2") }, body, now},
		"an id that shifts": {func(h http.Header) { h.Set(webhook.FieldID, "e1."+h.Get(webhook.FieldTimestamp)) }, body, now},
		"another time":      {func(h http.Header) { h.Set(webhook.FieldTimestamp, fmt.Sprint(now.Unix()+1)) }, body, now},
		"an odd time":       {func(h http.Header) { h.Set(webhook.FieldTimestamp, "+"+h.Get(webhook.FieldTimestamp)) }, body, now},
		"later":             {func(http.Header) {}, body, now.Add(webhook.Tolerance + 2*time.Second)},
		"earlier":           {func(http.Header) {}, body, now.Add(-webhook.Tolerance - 2*time.Second)},
		"no signature":      {func(h http.Header) { h.Del(webhook.FieldSignature) }, body, now},
		"another version": {func(h http.Header) {
			h.Set(webhook.FieldSignature, strings.Replace(h.Get(webhook.FieldSignature), "v1", "v2", 1))
		}, body, now},
		"nothing": {func(h http.Header) { clear(h) }, body, now},
	} {
		attack.Case(t, "ADMIN-11", attack.Library, func(t *testing.T) {
			h := good.Clone()
			tt.change(h)
			if id, err := webhook.Verify(h, []byte(tt.body), tt.now, secret.New(key)); !errors.Is(err, webhook.ErrSignature) || id != "" {
				t.Errorf("%s: Verify = %q, %v, want %v", name, id, err, webhook.ErrSignature)
			}
		})
	}
	if _, err := webhook.Verify(good, []byte(body), now, secret.New("short")); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("Verify with a secret that is none = %v", err)
	}
	if _, err := webhook.Verify(good, []byte(body), now); !errors.Is(err, webhook.ErrSignature) {
		t.Errorf("Verify without a secret = %v", err)
	}
}

// The vector of Standard Webhooks' own text, as any implementation computes it.
func TestSignatureIsThatOfTheStandard(t *testing.T) {
	h := http.Header{}
	h.Set(webhook.FieldID, "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set(webhook.FieldTimestamp, "1614265330")
	h.Set(webhook.FieldSignature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	id, err := webhook.Verify(h, []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0), secret.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	if err != nil || id != "msg_p5jXN8AQM9LWM0D4loKWxJek" {
		t.Errorf("Verify = %q, %v", id, err)
	}
}

// A receiver that fails is tried again; one that wants no more is left alone.
func TestRetries(t *testing.T) {
	t.Run("it takes the second", func(t *testing.T) {
		r := receive(t, status(500), status(204))
		outbox := &hasty{MemoryOutbox: new(webhook.MemoryOutbox)}
		s := newSender(t, outbox, io.Discard, r.endpoint())
		if err := s.Send(t.Context(), newEvent(t, "e1")); err != nil {
			t.Fatal(err)
		}
		r.await(t, 2)
		s.Close()
		if c := s.Counts(); c.Failed != 1 || c.Delivered > 1 || c.GivenUp != 0 {
			t.Errorf("counts = %+v", c)
		}
		if got := outbox.waits(); len(got) != 1 || got[0] < 5*time.Second-time.Second || got[0] > 7*time.Second {
			t.Errorf("it waited %v, want some five seconds", got)
		}
	})
	t.Run("it never does", func(t *testing.T) {
		r := receive(t, status(503))
		outbox := &hasty{MemoryOutbox: new(webhook.MemoryOutbox)}
		var log lines
		s := newSender(t, outbox, &log, r.endpoint())
		if err := s.Send(t.Context(), newEvent(t, "e1")); err != nil {
			t.Fatal(err)
		}
		r.await(t, 11)
		log.await(t, "given up")
		awaitCounts(t, s, webhook.Counts{Failed: 10, GivenUp: 1})
		if text := log.String(); strings.Contains(text, "token=word") || strings.Contains(text, "127.0.0.1") {
			t.Errorf("the log names the URL: %s", text)
		}
	})
	t.Run("it wants no more", func(t *testing.T) {
		r := receive(t, status(410))
		var log lines
		s := newSender(t, new(webhook.MemoryOutbox), &log, r.endpoint())
		if err := s.Send(t.Context(), newEvent(t, "e1")); err != nil {
			t.Fatal(err)
		}
		r.await(t, 1)
		log.await(t, "given up")
	})
	t.Run("it asks for a pause", func(t *testing.T) {
		r := receive(t, func(w http.ResponseWriter) { w.Header().Set("Retry-After", "3600"); w.WriteHeader(429) }, status(200))
		outbox := &hasty{MemoryOutbox: new(webhook.MemoryOutbox)}
		s := newSender(t, outbox, io.Discard, r.endpoint())
		if err := s.Send(t.Context(), newEvent(t, "e1")); err != nil {
			t.Fatal(err)
		}
		r.await(t, 2)
		if got := outbox.waits(); len(got) != 1 || got[0] < 59*time.Minute {
			t.Errorf("it waited %v, want an hour", got)
		}
	})
}

// One endpoint that hangs holds no other, and events go to those that want them.
func TestEndpointsAreApart(t *testing.T) {
	release := make(chan struct{})
	slow := receive(t, func(http.ResponseWriter) { <-release })
	quick, deaf := receive(t), receive(t)
	t.Cleanup(func() { close(release) })
	a, b, c := slow.endpoint(), quick.endpoint(), deaf.endpoint()
	b.Name, c.Name, c.Events = "b", "c", []string{webhook.KeyLeaked}
	s := newSender(t, new(webhook.MemoryOutbox), io.Discard, a, b, c)
	for i := range 100 {
		if err := s.Send(t.Context(), newEvent(t, fmt.Sprint("e", i))); err != nil {
			t.Fatal(err)
		}
	}
	quick.await(t, 100)
	if len(deaf.got) != 0 {
		t.Error("an endpoint got what it does not want")
	}
}

// Where an address leads is judged when it is dialled; nothing is followed, and
// nothing that comes back is kept.
func TestAddressesLeadNowhereElse(t *testing.T) {
	inner := receive(t)
	redirecting := receive(t, func(w http.ResponseWriter) {
		w.Header().Set("Location", inner.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	const most = 64 << 20 // more than any buffer on the way
	cut := make(chan int, 1)
	talking := receive(t, func(w http.ResponseWriter) {
		n := 0
		for n < most {
			if _, err := w.Write(make([]byte, 1024)); err != nil {
				break
			}
			n += 1024
		}
		cut <- n
	})
	for name, tt := range map[string]struct {
		change func(*webhook.Endpoint)
		want   string
	}{
		"a private address": {func(e *webhook.Endpoint) { e.InsecurePrivate = false }, "the address is private or not allowed"},
		"a name of a private one": {func(e *webhook.Endpoint) {
			e.InsecurePrivate, e.URL = false, strings.Replace(e.URL, "127.0.0.1", "localhost", 1)
		}, "the address is private or not allowed"},
		"a link-local address":        {func(e *webhook.Endpoint) { e.URL = "https://169.254.169.254/latest" }, "the address is private or not allowed"},
		"a redirect":                  {func(e *webhook.Endpoint) { *e = redirecting.endpoint() }, "a redirect is not followed"},
		"an unknown authority":        {func(e *webhook.Endpoint) { e.RootCAs = x509.NewCertPool() }, "cannot be reached"},
		"a receiver that talks a lot": {func(e *webhook.Endpoint) { *e = talking.endpoint() }, ""},
	} {
		attack.Case(t, "ADMIN-11", attack.Library, func(t *testing.T) {
			e := inner.endpoint()
			tt.change(&e)
			s := newSender(t, new(webhook.MemoryOutbox), io.Discard, e)
			err := s.Try(t.Context(), "a", newEvent(t, "e1"))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%s: Try = %v, want %q", name, err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "word") {
				t.Errorf("%s: the error tells the URL: %v", name, err)
			}
		})
	}
	if len(inner.got) != 0 {
		t.Errorf("%d deliveries came where none may", len(inner.got))
	}
	if n := <-cut; n >= most {
		t.Errorf("all %d bytes of an answer were taken", n)
	}
}

// A receiver that never answers, or whose answer never ends, holds a delivery for no
// longer than its time.
func TestASlowReceiver(t *testing.T) {
	attack.Case(t, "ADMIN-11", attack.Library, func(t *testing.T) {
		release := make(chan struct{})
		slow := receive(t, func(http.ResponseWriter) { <-release })
		t.Cleanup(func() { close(release) })
		left := make(chan struct{})
		dripping := receive(t, func(w http.ResponseWriter) {
			defer close(left)
			for {
				if _, err := w.Write([]byte("a")); err != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
				<-time.After(50 * time.Millisecond) // a drop at a time
			}
		})
		s := newSender(t, new(webhook.MemoryOutbox), io.Discard, slow.endpoint())
		drips := newSender(t, new(webhook.MemoryOutbox), io.Discard, dripping.endpoint())
		var both sync.WaitGroup
		both.Go(func() {
			_ = drips.Try(t.Context(), "a", newEvent(t, "e2")) // it has begun to answer: what it says is of no interest
			<-left
		})
		err := s.Try(t.Context(), "a", newEvent(t, "e1"))
		if err == nil || !strings.Contains(err.Error(), "did not answer in time") {
			t.Errorf("Try = %v, want no answer in time", err)
		}
		both.Wait()
	})
}

func TestBadEndpoints(t *testing.T) {
	good := webhook.Endpoint{Name: "a", URL: "https://hooks.example/x", Secret: secret.New(key)}
	for want, spoil := range map[string]func(*webhook.Endpoint){
		"name: is missing":      func(e *webhook.Endpoint) { e.Name = "" },
		"want https":            func(e *webhook.Endpoint) { e.URL = "http://hooks.example" },
		"want an absolute URL":  func(e *webhook.Endpoint) { e.URL = "https://user:word@hooks.example" },
		"a secret wants":        func(e *webhook.Endpoint) { e.Secret = secret.New("d29yZA==") },
		`there is none of type`: func(e *webhook.Endpoint) { e.Events = []string{"key.made"} },
	} {
		e := good
		spoil(&e)
		_, err := webhook.New(webhook.Config{Endpoints: []webhook.Endpoint{e}, Outbox: new(webhook.MemoryOutbox)})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "word") || strings.Contains(err.Error(), "d29yZA") {
			t.Errorf("New = %v, want %q", err, want)
		}
		if err := e.Check(); err == nil {
			t.Error("Check = nil")
		}
	}
	if _, err := webhook.New(webhook.Config{Endpoints: []webhook.Endpoint{good, good}}); err == nil || !strings.Contains(err.Error(), "taken") || !strings.Contains(err.Error(), "Outbox") {
		t.Errorf("New = %v, want every fault", err)
	}
}
