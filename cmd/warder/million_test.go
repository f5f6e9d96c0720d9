//go:build !race

package main

import (
	"bufio"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

const (
	million  = 1_000_000
	quarter  = million / 4
	together = 64 // requests on the way on one connection
)

// millionYAML has a cache, a table or a counter for each thing that a client can make up.
const millionYAML = `
hosts: ["*.example.com", localhost]
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1]}
schemes:
  token: {jwt: {issuers: [{issuer: "https://issuer.example", audience: [api], algorithms: [EdDSA], jwks_file: "%s"}]}}
rate_limits:
  addresses: {count: 100000, per: 1m, by: [address]}
  owners: {count: 100000, per: 1m, by: [owner]}
default_rate_limits: [addresses, owners]
upstreams: {api: {url: "%s"}}
routes:
  - {match: "/user/", upstream: api, security: [{token: []}]}
  - {match: "/", upstream: api}
`

// A stranger makes requests of which no two are alike.
type stranger struct {
	*rand.Rand
	private ed25519.PrivateKey
}

// text is n characters of base62.
func (s stranger) text(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = base62(s.IntN(62))
	}
	return string(b)
}

func base62(digit int) byte {
	return "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[digit]
}

// key is well-formed and unknown.
func (s stranger) key() string {
	body := "wrd_live_" + s.text(44)
	check, sum := make([]byte, 6), crc32.ChecksumIEEE([]byte(body))
	for i := range check {
		check[5-i] = base62(int(sum % 62))
		sum /= 62
	}
	return body + string(check)
}

// token is that of another user each time.
func (s stranger) token() string {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"EdDSA","typ":"JWT","kid":"1"}`)) + "." +
		encode(fmt.Appendf(nil, `{"iss":"https://issuer.example","aud":"api","sub":"%s","exp":%d}`, s.text(16), time.Now().Add(time.Hour).Unix()))
	return signed + "." + encode(ed25519.Sign(s.private, []byte(signed)))
}

// request is the text of one: each tenth comes with a token, the others with a key.
func (s stranger) request() string {
	address := netip.AddrFrom4([4]byte{byte(1 + s.IntN(120)), byte(s.IntN(256)), byte(s.IntN(256)), byte(s.IntN(256))}).String()
	if s.IntN(2) == 0 {
		address = fmt.Sprintf("2001:db8:%x:%x::%x", s.IntN(1<<16), s.IntN(1<<16), s.IntN(1<<16))
	}
	path, credential := "/", "X-API-Key: "+s.key()
	if s.IntN(10) == 0 {
		path, credential = "/user/", "Authorization: Bearer "+s.token()
	}
	return "GET " + path + s.text(10) + " HTTP/1.1\r\nHost: " + strings.ToLower(s.text(12)) + ".example.com\r\nX-Forwarded-For: " + address + "\r\n" + credential + "\r\n\r\n"
}

// flood sends n requests over one connection, together at a time, and counts the
// answers by status.
func (s stranger) flood(address string, n int) (map[int]int, error) {
	conn, err := new(net.Dialer).Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Minute)); err != nil {
		return nil, err
	}
	statuses, answers := map[int]int{}, bufio.NewReaderSize(conn, 64<<10)
	for n > 0 {
		some := min(n, together)
		n -= some
		var b strings.Builder
		for range some {
			b.WriteString(s.request())
		}
		if _, err := io.WriteString(conn, b.String()); err != nil {
			return statuses, err
		}
		for range some {
			answer, err := http.ReadResponse(answers, nil)
			if err != nil {
				return statuses, err
			}
			_, err = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			if err != nil {
				return statuses, err
			}
			statuses[answer.StatusCode]++
		}
	}
	return statuses, nil
}

// cost is the CPU time that the program needs for one request with the key that it
// knows: the least of several rounds, since other work on the machine only adds.
func (s *served) cost(t *testing.T) time.Duration {
	t.Helper()
	const rounds, requests = 7, 2000
	c := wire.Dial(t, s.gateway)
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(enduring)); err != nil {
		t.Fatal(err)
	}
	least := time.Hour
	for range rounds {
		before := s.used(t)
		for range requests {
			c.Send("GET /hot HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + s.key + "\r\n\r\n")
			if answer, _ := c.Response(http.MethodGet); answer.StatusCode != http.StatusOK {
				t.Fatalf("the known key got %d", answer.StatusCode)
			}
		}
		least = min(least, (s.used(t)-before)/requests)
	}
	return least
}

// used is the CPU time of the program so far.
func (s *served) used(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.process.Process.Pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	const tick = time.Second / 100 // USER_HZ
	return time.Duration(user+system) * tick
}

// TestAMillionStrangers sends a million requests with a key, a host, a path, an
// address and at times a user that nobody saw before: what the program remembers of
// them is bounded, and a key that is known costs no more than before.
func TestAMillionStrangers(t *testing.T) {
	attack.Case(t, "FLOOD-06", attack.Gateway, func(t *testing.T) {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		keys := filepath.Join(t.TempDir(), "jwks.json")
		set := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"1","x":"%s"}]}`, base64.RawURLEncoding.EncodeToString(public))
		if err := os.WriteFile(keys, []byte(set), 0o600); err != nil {
			t.Fatal(err)
		}
		upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		s, _ := flooded(t, "", fmt.Sprintf(millionYAML, keys, upstream.URL()))
		before := s.cost(t)
		statuses := map[int]int{}
		flood := func(n int) {
			var clients sync.WaitGroup
			var mu sync.Mutex
			for i := range 2 {
				clients.Go(func() {
					got, err := stranger{rand.New(rand.NewPCG(uint64(n), uint64(i))), private}.flood(s.gateway, n/2)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Error(err)
					}
					for status, count := range got {
						statuses[status] += count
					}
				})
			}
			clients.Wait()
		}
		began := time.Now()
		var grown [4]int64 // with each quarter, from what was there before it
		for i := range grown {
			grown[i] = s.grown(t, func() { flood(quarter) }) >> 20
		}
		after := s.cost(t)
		for range 4 { // more rounds where the machine had other work in all of them
			if after > 2*before {
				after = min(after, s.cost(t))
			}
		}
		t.Logf("%v in %v; MiB more with each quarter: %v; a known key cost %v before and %v after", statuses, time.Since(began).Round(time.Second), grown, before, after)
		if statuses[http.StatusOK]+statuses[http.StatusUnauthorized] != million || statuses[http.StatusOK] < million/12 {
			t.Errorf("the answers are %v: want 200 for the users, and 401 for the keys", statuses)
		}
		if whole, flat := int64(160), int64(8); grown[0] > whole || grown[2] > flat || grown[3] > flat {
			t.Errorf("memory grew by %v MiB with each quarter, want at most %d with the first, and at most %d with the last two", grown, whole, flat)
		}
		if after > 2*before {
			t.Errorf("a known key cost %v before, and %v after", before, after)
		}
	})
}
