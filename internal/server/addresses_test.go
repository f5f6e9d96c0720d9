package server_test

import (
	"net"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/wire"
)

// named is a request of 127.0.0.1, a listed proxy, that names the client as the
// upstream has to read it.
func named(name, fields, client string) shot {
	node := client
	if strings.Contains(client, ":") {
		node = `"[` + client + `]"`
	}
	return shot{name: name, head: "Host: a.test\r\n" + fields, want: 200, upstream: "Forwarded: for=" + node + ";", hides: []string{"198.51.100", "unknown"}}
}

func TestAddressesAtTheGateway(t *testing.T) {
	r := newRange(t, `
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1, 10.0.0.0/8, "2001:db8:ffff::/48"]}
routes:
  - {match: "/", upstream: api, public: true}
`, wire.OK)
	const list = "X-Forwarded-For: "
	stranger := named("who is not listed", list+"198.51.100.1\r\nForwarded: for=198.51.100.1\r\nX-Real-IP: 198.51.100.1\r\nCF-Connecting-IP: 198.51.100.1\r\n"+
		"True-Client-IP: 198.51.100.1\r\nX-Client-IP: 198.51.100.1\r\nX-Cluster-Client-IP: 198.51.100.1\r\nX-Envoy-External-Address: 198.51.100.1\r\n", strangerAt)
	stranger.from = strangerAt
	r.fire(t, "IP-01", []shot{stranger})
	r.fire(t, "IP-02", []shot{
		named("invented entries", list+"198.51.100.1, 203.0.113.9, 10.0.0.2\r\n", "203.0.113.9"),
		named("an invented listed one", list+"10.9.9.9, 203.0.113.9\r\n", "203.0.113.9"),
		named("all are listed", list+"10.0.0.9, 10.0.0.2\r\n", "10.0.0.9"),
		named("nothing", "", "127.0.0.1"),
	})
	r.fire(t, "IP-03", []shot{
		named("two lines", list+"198.51.100.1\r\n"+list+"203.0.113.9\r\n", "203.0.113.9"),
		named("a listed line last", list+"198.51.100.1, 203.0.113.9\r\n"+list+"10.0.0.2\r\n", "203.0.113.9"),
	})
	r.fire(t, "IP-04", []shot{
		named("a port", list+"203.0.113.9:80\r\n", "203.0.113.9"),
		named("IPv6 with a port", list+"[2001:db8::9]:80\r\n", "2001:db8::9"),
		named("300 entries", list+strings.Repeat("198.51.100.1, ", 299)+"203.0.113.9\r\n", "203.0.113.9"),
		named("9 KiB", list+strings.Repeat("a", 9<<10)+", 203.0.113.9\r\n", "203.0.113.9"),
		named("a word", list+"unknown, 10.0.0.2\r\n", "10.0.0.2"),
		named("quotes", list+"\"203.0.113.9\"\r\n", "127.0.0.1"),
		named("an empty entry", list+"203.0.113.9, \r\n", "127.0.0.1"),
	})
	r.fire(t, "IP-05", []shot{
		named("as the client", list+"::ffff:203.0.113.9\r\n", "203.0.113.9"),
		named("as a listed hop", list+"203.0.113.9, ::ffff:10.0.0.2\r\n", "203.0.113.9"),
	})
	r.fire(t, "IP-06", []shot{
		named("a zone", list+"fe80::1%eth0\r\n", "127.0.0.1"),
		named("an encoded zone", list+"203.0.113.9, [2001:db8:ffff::1%25eth0]:80\r\n", "127.0.0.1"),
	})
	var numbers []shot
	for _, bad := range []string{"010.0.0.1", "1.2.3", "0x1.2.3.4", "1.2.3.4.", "16909060", "1.2.3.256"} {
		numbers = append(numbers, named(bad, list+"203.0.113.9, "+bad+", 10.0.0.2\r\n", "10.0.0.2"))
	}
	r.fire(t, "IP-07", numbers)
	const nonsense = 3 + 2 // of IP-04 and IP-06
	if log := r.logged(t, `"client_doubtful":true`, len(numbers)+nonsense); strings.Count(log, `"client_doubtful":true`) > len(numbers)+nonsense {
		t.Error("a client that is sure is called doubtful")
	}
}

func TestForwardedAtTheGateway(t *testing.T) {
	r := newRange(t, `
forwarded: {from: forwarded, trusted_proxies: [127.0.0.1, 10.0.0.0/8]}
routes:
  - {match: "/", upstream: api, public: true}
`, wire.OK)
	const list = "Forwarded: "
	r.fire(t, "IP-08", []shot{
		named("quoted, with a port", list+`for="203.0.113.9:80"`+"\r\n", "203.0.113.9"),
		named("IPv6, escaped", list+`FOR="[2001:db8:\:9]:80"; by=10.0.0.1`+"\r\n", "2001:db8::9"),
		named("several elements", list+"for=198.51.100.1, for=203.0.113.9;proto=https, for=10.0.0.2\r\n", "203.0.113.9"),
		named("a comma and a semicolon in quotes", list+`for=203.0.113.9;x="a, for=198.51.100.1; b"`+"\r\n", "203.0.113.9"),
		named("twice in one element", list+"for=198.51.100.1;for=203.0.113.9\r\n", "127.0.0.1"),
		named("a hidden name", list+"for=_secret, for=10.0.0.2\r\n", "10.0.0.2"),
		named("a word", list+"for=unknown\r\n", "127.0.0.1"),
		named("the other field beside it", list+"for=203.0.113.9\r\nX-Forwarded-For: 198.51.100.1\r\n", "203.0.113.9"),
		named("the other field alone", "X-Forwarded-For: 198.51.100.1\r\n", "127.0.0.1"),
	})
}

// TestADualStackedListener takes IPv4 clients under their names in IPv6: they are
// those that are listed, in either form.
func TestADualStackedListener(t *testing.T) {
	for _, listed := range []string{"127.0.0.1", "::ffff:127.0.0.1", "::ffff:127.0.0.0/127"} {
		upstream := wire.Listen(t, wire.Answer(wire.OK))
		r := shootingRange{start(t, upstream.URL(), settings{flags: map[string]string{"listen": ":0"}, yaml: `
forwarded: {from: x-forwarded-for, trusted_proxies: ["` + listed + `"]}
routes:
  - {match: "/", upstream: api, public: true}
`}), upstream}
		_, port, err := net.SplitHostPort(r.gateway)
		if err != nil {
			t.Fatal(err)
		}
		r.gateway = "127.0.0.1:" + port
		stranger := named("a stranger", "X-Forwarded-For: 198.51.100.1\r\n", strangerAt)
		stranger.from = strangerAt
		r.fire(t, "IP-05", []shot{named("the listed peer, "+listed, "X-Forwarded-For: 203.0.113.9\r\n", "203.0.113.9"), stranger})
	}
}

// What a listed peer alone may say reaches no upstream.
func TestTheFieldOfACDN(t *testing.T) {
	r := newRange(t, `
forwarded: {from: header, header: X-Edge-Client, trusted_proxies: [127.0.0.1], client_cert_header: X-Edge-Cert}
routes:
  - {match: "/", upstream: api, public: true}
`, wire.OK)
	said := named("by who is listed", "X-Edge-Client: 203.0.113.9\r\nx_edge_client: 198.51.100.1\r\n", "203.0.113.9")
	forged := named("by somebody", "X-Edge-Client: 203.0.113.9\r\nX-Edge-Cert: forged\r\nx_edge_cert: forged\r\n", strangerAt)
	forged.from = strangerAt
	for _, s := range []*shot{&said, &forged} {
		s.hides = append(s.hides, "dge-Client", "dge_client", "forged")
	}
	r.fire(t, "PROXY-04", []shot{said, forged})
}
