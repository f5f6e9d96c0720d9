package tlsscan_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/xml"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
)

// A scan is what sslscan reports.
type scan struct {
	Protocols []struct {
		Type    string `xml:"type,attr"`
		Version string `xml:"version,attr"`
		Enabled bool   `xml:"enabled,attr"`
	} `xml:"ssltest>protocol"`
	Renegotiation struct {
		Supported bool `xml:"supported,attr"`
	} `xml:"ssltest>renegotiation"`
	Compression struct {
		Supported bool `xml:"supported,attr"`
	} `xml:"ssltest>compression"`
	Heartbleed []struct {
		Vulnerable bool `xml:"vulnerable,attr"`
	} `xml:"ssltest>heartbleed"`
	Ciphers []struct {
		Version string `xml:"sslversion,attr"`
		Name    string `xml:"cipher,attr"`
	} `xml:"ssltest>cipher"`
	Groups []struct {
		Version string `xml:"sslversion,attr"`
		Name    string `xml:"name,attr"`
	} `xml:"ssltest>group"`
}

func sslscan(t *testing.T, at gateway) (s scan) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sslscan", "--xml=-", "--no-colour", at.address).Output()
	if err != nil {
		t.Fatalf("sslscan: %v", err)
	}
	if err := xml.Unmarshal(out, &s); err != nil {
		t.Fatalf("sslscan: %v\n%s", err, out)
	}
	return s
}

// found are the lines of a scan that must be as they are: protocols, suites and
// groups.
func (s scan) found() []string {
	all := map[string]bool{}
	for _, p := range s.Protocols {
		if p.Enabled {
			all[p.Type+p.Version] = true
		}
	}
	for _, c := range s.Ciphers {
		all[c.Version+" "+c.Name] = true
	}
	for _, g := range s.Groups {
		all[g.Version+" "+g.Name] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// wanted are the lines that found must be for a certificate with a key of the
// kind: nothing more, and nothing less.
func wanted(kind string) []string {
	var all []string
	for _, version := range []string{"1.2", "1.3"} {
		all = append(all, "tls"+version)
		for _, group := range []string{"secp256r1 (NIST P-256)", "secp384r1 (NIST P-384)", "secp521r1 (NIST P-521)", "x25519"} {
			all = append(all, "TLSv"+version+" "+group)
		}
	}
	for _, suite := range []string{"AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256"} {
		all = append(all, "TLSv1.3 TLS_"+suite)
	}
	signed := map[string]string{"curve": "ECDSA", "RSA": "RSA"}[kind]
	for _, suite := range []string{"AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"} {
		all = append(all, "TLSv1.2 ECDHE-"+signed+"-"+suite)
	}
	slices.Sort(all)
	return all
}

// A finding is one of testssl.sh.
type finding struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Finding  string `json:"finding"`
}

// testssl tries protocols, suites, which of them is chosen, key exchange, what the
// server says of itself, and the known weaknesses: all of what testssl.sh does by
// default that is about TLS, but for the handshakes of browsers that it plays.
func testssl(t *testing.T, at gateway) []finding {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	name := filepath.Join(t.TempDir(), "findings.json")
	c := exec.CommandContext(ctx, "testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none",
		"--protocols", "--std", "--server-preference", "--fs", "--server-defaults", "--vulnerable", "--jsonfile", name, at.address)
	out, err := c.CombinedOutput() // its exit code counts what it found
	text, readErr := os.ReadFile(name)
	if readErr != nil {
		t.Fatalf("testssl: %v, %v\n%s", err, readErr, out)
	}
	var all []finding
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("testssl: %v\n%s", err, text)
	}
	return all
}

// ofTheTest are findings that the test's machine and certificate cause, and one of
// what no setting changes.
func ofTheTest() map[string]string {
	const local = "the certificate is the test's own: signed by itself, for a day"
	return map[string]string{
		"engine_problem":        "the scanner's own openssl has no engines",
		"cert_chain_of_trust":   local,
		"cert_expirationStatus": local,
		"cert_notAfter":         local,
		"cert_revocation":       local,
		"cert_serialNumberLen":  local,
		"TLS_session_ticket":    "crypto/tls says of its tickets that they hold for seven days; it takes another key each day, and client certificates are verified again when a session goes on",
	}
}

// asked are ids that must be among the findings: an empty report shows nothing.
func asked() []string {
	return []string{
		"SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3", "cipherlist_NULL", "cipherlist_aNULL", "cipherlist_EXPORT", "cipherlist_LOW",
		"cipherlist_3DES_IDEA", "cipherlist_AVERAGE", "cipherlist_STRONG", "heartbleed", "CCS", "ticketbleed", "ROBOT", "cipher_order", "protocol_negotiated", "cert_commonName", "secure_renego",
		"secure_client_renego", "CRIME_TLS", "BREACH", "POODLE_SSL", "fallback_SCSV", "SWEET32", "FREAK", "DROWN", "LOGJAM", "BEAST", "LUCKY13", "RC4",
	}
}

func TestScans(t *testing.T) {
	program := build(t)
	gateways := map[string]gateway{}
	for kind, pair := range certificates(t) {
		gateways[kind] = start(t, program, pair[0], pair[1])
	}
	attack.Case(t, "TLS-02", attack.Gateway, func(t *testing.T) {
		for kind, at := range gateways {
			s := sslscan(t, at)
			if got, want := s.found(), wanted(kind); !slices.Equal(got, want) {
				t.Errorf("%s: sslscan found\n%s\nwant\n%s", kind, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if len(s.Protocols) != 6 || len(s.Heartbleed) == 0 {
				t.Errorf("%s: sslscan tried %d protocols, want 6, and heartbeats on %d", kind, len(s.Protocols), len(s.Heartbleed))
			}
			for _, h := range s.Heartbleed {
				if h.Vulnerable {
					t.Errorf("%s: heartbeats leak", kind)
				}
			}
			if s.Renegotiation.Supported || s.Compression.Supported {
				t.Errorf("%s: renegotiation %v, compression %v", kind, s.Renegotiation.Supported, s.Compression.Supported)
			}
			if got := groupOf(t, at); got != tls.X25519MLKEM768 {
				t.Errorf("%s: keys are exchanged by %v, want one that a quantum computer does not break", kind, got)
			}
		}
		seen := map[string]bool{}
		for _, f := range testssl(t, gateways["RSA"]) {
			seen[f.ID] = true
			if f.Severity != "OK" && f.Severity != "INFO" && ofTheTest()[f.ID] == "" {
				t.Errorf("testssl.sh: %s: %s: %s", f.ID, f.Severity, f.Finding)
			}
		}
		for _, id := range asked() {
			if !seen[id] {
				t.Errorf("testssl.sh says nothing of %s", id)
			}
		}
	})
}
