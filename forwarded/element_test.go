package forwarded_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/attack"
)

func elements() []listRow {
	return []listRow{
		{"no field", nil, "10.0.0.1", false},
		{"IPv4", []string{"for=203.0.113.9"}, "203.0.113.9", false},
		{"IPv4 in quotes", []string{`for="203.0.113.9"`}, "203.0.113.9", false},
		{"IPv4 with a port", []string{`for="203.0.113.9:4711"`}, "203.0.113.9", false},
		{"IPv6", []string{`for="[2001:db8::9]"`}, "2001:db8::9", false},
		{"IPv6 with a port", []string{`For="[2001:db8::9]:4711"`}, "2001:db8::9", false},
		{"a hidden port", []string{`for="203.0.113.9:_gazonk"`}, "203.0.113.9", false},
		{"mapped", []string{`for="[::ffff:203.0.113.9]"`}, "203.0.113.9", false},
		{"names without case", []string{"PROTO=http;FoR=203.0.113.9;By=10.0.0.1"}, "203.0.113.9", false},
		{"other parameters", []string{`secret=x;for=203.0.113.9;ext="a,b;c=\"d"`}, "203.0.113.9", false},
		{"another parameter twice", []string{"x=1;x=2;for=203.0.113.9"}, "203.0.113.9", false},
		{"escapes", []string{`for="20\3.0.113\.9"`}, "203.0.113.9", false},
		{"empty pairs", []string{";;for=203.0.113.9;"}, "203.0.113.9", false},
		{"blanks around semicolons", []string{"for=203.0.113.9 ; proto=http"}, "203.0.113.9", false},

		{"listed hops", []string{"for=203.0.113.9, for=10.0.0.2;by=10.0.0.1"}, "203.0.113.9", false},
		{"an invented element", []string{"for=198.51.100.1, for=203.0.113.9"}, "203.0.113.9", false},
		{"all are listed: the leftmost", []string{"for=10.0.0.3, for=10.0.0.2"}, "10.0.0.3", false},
		{"two lines", []string{"for=198.51.100.1", "for=203.0.113.9, for=10.0.0.2"}, "203.0.113.9", false},
		{"empty elements", []string{"for=203.0.113.9,, ,", ""}, "203.0.113.9", false},
		{"a comma in quotes", []string{`for=198.51.100.1, for=203.0.113.9;x="a, for=198.51.100.2"`}, "203.0.113.9", false},
		{"an escaped quote and a comma in quotes", []string{`for=203.0.113.9;x="\", for=198.51.100.2;y=\""`}, "203.0.113.9", false},
		{"an escaped backslash before the quote", []string{`for=203.0.113.9;x="\\"`}, "203.0.113.9", false},
		{"an open quote in front", []string{`for="198.51.100.1, for=203.0.113.9`}, "203.0.113.9", false},
		{"an open quote in front of quotes", []string{`x=", for="[2001:db8::9]:80";host="b.example"`}, "2001:db8::9", false},
		{"an open quote on the line before", []string{`for=198.51.100.1;x="`, `for="203.0.113.9"`}, "203.0.113.9", false},
		{"a backslash in front", []string{`for=198.51.100.1\, for="203.0.113.9"`}, "203.0.113.9", false},
		{"300 listed hops", []string{"for=203.0.113.9" + strings.Repeat(", for=10.0.0.2", 299)}, "203.0.113.9", false},
		{"301 listed hops", []string{"for=203.0.113.9" + strings.Repeat(", for=10.0.0.2", 300)}, "10.0.0.2", true},
		{"9 KiB in front", []string{strings.Repeat("x", 9<<10) + ", for=203.0.113.9"}, "203.0.113.9", false},
		{"1 MiB of commas in front", []string{strings.Repeat(",", 1<<20) + ", for=203.0.113.9"}, "203.0.113.9", false},

		{"unknown", []string{"for=unknown"}, "10.0.0.1", true},
		{"hidden", []string{"for=_hidden"}, "10.0.0.1", true},
		{"hidden with a port", []string{`for="_hidden:80"`}, "10.0.0.1", true},
		{"hidden behind a listed hop", []string{"for=203.0.113.9, for=_SEVKISEK, for=10.0.0.2"}, "10.0.0.2", true},
		{"no node", []string{"proto=https;by=10.0.0.1"}, "10.0.0.1", true},
		{"for twice", []string{"for=203.0.113.9;for=198.51.100.1"}, "10.0.0.1", true},
		{"for twice the same", []string{"for=203.0.113.9;For=203.0.113.9"}, "10.0.0.1", true},
		{"by twice", []string{"for=203.0.113.9;by=_a;by=_b"}, "10.0.0.1", true},
		{"an empty node", []string{`for=""`}, "10.0.0.1", true},
		{"nothing behind the equals sign", []string{"for="}, "10.0.0.1", true},
		{"no equals sign", []string{"for=203.0.113.9;proto"}, "10.0.0.1", true},
		{"no name", []string{"=203.0.113.9"}, "10.0.0.1", true},
		{"blanks around the equals sign", []string{"for = 203.0.113.9"}, "10.0.0.1", true},
		{"a bare list", []string{"203.0.113.9"}, "10.0.0.1", true},
		{"a bare port", []string{"for=203.0.113.9:80"}, "10.0.0.1", true},
		{"IPv6 without quotes", []string{"for=[2001:db8::9]"}, "10.0.0.1", true},
		{"IPv6 without brackets", []string{`for="2001:db8::9"`}, "10.0.0.1", true},
		{"IPv4 in brackets", []string{`for="[203.0.113.9]"`}, "10.0.0.1", true},
		{"a zone", []string{`for="[fe80::1%eth0]"`}, "10.0.0.1", true},
		{"leading zeros", []string{"for=010.0.0.1"}, "10.0.0.1", true},
		{"a port out of range", []string{`for="203.0.113.9:65536"`}, "10.0.0.1", true},
		{"an empty port", []string{`for="203.0.113.9:"`}, "10.0.0.1", true},
		{"a hidden port of nothing", []string{`for="203.0.113.9:_"`}, "10.0.0.1", true},
		{"text behind the quotes", []string{`for="203.0.113.9"x`}, "10.0.0.1", true},
		{"text behind the bracket", []string{`for="[2001:db8::9]x"`}, "10.0.0.1", true},
		{"an open quote", []string{`for="203.0.113.9`}, "10.0.0.1", true},
		{"an escaped closing quote", []string{`for="203.0.113.9\"`}, "10.0.0.1", true},
		{"an escape of nothing", []string{`for="203.0.113.9\`}, "10.0.0.1", true},
		{"single quotes", []string{"for='203.0.113.9'"}, "10.0.0.1", true},
		{"a control in quotes", []string{"for=203.0.113.9;x=\"\x01\""}, "10.0.0.1", true},
		{"an element of 2 KiB", []string{"for=203.0.113.9;x=" + strings.Repeat("x", 2<<10)}, "10.0.0.1", true},
		{"quotes of 1 MiB", []string{`for=203.0.113.9;x="` + strings.Repeat(",", 1<<20) + `"`}, "10.0.0.1", true},
		{"backslashes of 1 MiB", []string{`for=203.0.113.9;x="` + strings.Repeat(`\`, 1<<20) + `"`}, "10.0.0.1", true},
	}
}

func TestForwarded(t *testing.T) {
	s := stage(t, forwarded.Forwarded, forwarded.Config{})
	attack.Case(t, "IP-08", attack.Library, func(t *testing.T) {
		checkLists(t, s, "Forwarded", elements())
		// Of both fields the configured one is read.
		old := stage(t, forwarded.XForwardedFor, forwarded.Config{})
		for _, tt := range []struct {
			s    *forwarded.Stage
			want string
		}{{s, "203.0.113.9"}, {old, "198.51.100.1"}} {
			x := via("10.0.0.1:1", "Forwarded", "for=203.0.113.9", "X-Forwarded-For", "198.51.100.1")
			if tt.s.Check(x); x.Client.String() != tt.want {
				t.Errorf("client %v, want %s", x.Client, tt.want)
			}
		}
	})
}

// reference reads one line of Forwarded from the left, as its grammar is
// written: it returns the elements' texts, or false for what the grammar does not
// make.
func reference(line string) (elements []string, ok bool) {
	quoted, start := false, 0
	for i := 0; i < len(line); i++ {
		switch {
		case quoted && line[i] == '\\':
			i++
		case line[i] == '\\': // no token has it: a quote behind it has two readings
			return nil, false
		case line[i] == '"':
			quoted = !quoted
		case line[i] == ',' && !quoted:
			elements = append(elements, line[start:i])
			start = i + 1
		}
	}
	return append(elements, line[start:]), !quoted
}

// Reading from the right and from the left is the same for what the grammar
// makes, what was read is read again from what it is written as, and nothing in
// front changes what a listed proxy appended.
func FuzzForwarded(f *testing.F) {
	for _, tt := range elements() {
		if text := strings.Join(tt.lines, ","); len(text) < 1<<10 {
			f.Add(text)
		}
	}
	f.Add(`for="[2001:db8::9]:80";proto=https;host="b.example:8443"`)
	s := stage(f, forwarded.Forwarded, forwarded.Config{ReadProto: true, ReadHost: true})
	read := func(line string) (*exchange.Exchange, exchange.Verdict) {
		x := via("10.0.0.1:1", "Forwarded", line)
		return x, s.Check(x)
	}
	f.Fuzz(func(t *testing.T, line string) {
		x, v := read(line)
		known := x.Scheme == "http" || x.Scheme == "https" || x.Scheme == "" && !v.Passed()
		if !x.Client.IsValid() || x.Client.Is4In6() || x.Client.Zone() != "" || !known {
			t.Errorf("%q: client %v, scheme %q", line, x.Client, x.Scheme)
		}
		if v.Passed() && !x.ClientDoubtful {
			again := serialise(x)
			if y, w := read(again); !w.Passed() || y.ClientDoubtful || y.Client != x.Client || y.Scheme != x.Scheme || y.Host != x.Host || y.Port != x.Port {
				t.Errorf("%q was written as %q and read as %v %s %s:%s", line, again, y.Client, y.Scheme, y.Host, y.Port)
			}
		}
		// What begins with a semicolon is read by the whole grammar alone: the quick way
		// reads the same.
		if y, w := read(";" + line); reason(w) != reason(v) || y.Client != x.Client || y.ClientDoubtful != x.ClientDoubtful || y.Scheme != x.Scheme || y.Host != x.Host || y.Port != x.Port {
			if !strings.Contains(line, ",") && len(line) < 1<<10 && strings.Trim(line, " \t") != "" { // nothing is no element
				t.Errorf("%q: %v %v %s %s:%s; behind a semicolon %v %v %s %s:%s", line, x.Client, x.ClientDoubtful, x.Scheme, x.Host, x.Port, y.Client, y.ClientDoubtful, y.Scheme, y.Host, y.Port)
			}
		}
		const ours = `, for="[2001:db8::77]:80";proto=https;host="b.example:8443"`
		if y, w := read(line + ours); !w.Passed() || y.ClientDoubtful || y.Client != netip.MustParseAddr("2001:db8::77") || y.Scheme != "https" || y.Port != "8443" {
			t.Errorf("%q and ours: %v, %v, %s, %s", line, w.Kind(), y.Client, y.Scheme, y.Port)
		}
		if parts, ok := reference(line); ok && v.Passed() && len(line) < 1<<10 && len(parts) < 300 {
			if y, _ := read(fromTheLeft(t, read, parts)); y.Client != x.Client || y.ClientDoubtful != x.ClientDoubtful || y.Scheme != x.Scheme || y.Host != x.Host {
				t.Errorf("%q: from the right %v %v, from the left %v %v", line, x.Client, x.ClientDoubtful, y.Client, y.ClientDoubtful)
			}
		}
	})
}

// reason is why v refuses; "" when it does not.
func reason(v exchange.Verdict) string {
	if v.Passed() {
		return ""
	}
	return v.Reason()
}

// TestElementsAreReadInOneWay writes elements as proxies write them, mangles them, and
// compares what is read with what the whole grammar reads.
func TestElementsAreReadInOneWay(t *testing.T) {
	s := stage(t, forwarded.Forwarded, forwarded.Config{ReadProto: true, ReadHost: true})
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(all ...string) string { return all[random.IntN(len(all))] }
	good := 0
	for range 30_000 {
		nodes := []string{"for=192.0.2.1", `for="192.0.2.1:80"`, `for="192.0.2.1"`, `for="[2001:db8::9]"`, `for="[2001:db8::9]:4711"`, `for="[::ffff:192.0.2.1]"`, "for=unknown", `for="_a:_b"`, "For=192.0.2.1", "for=192.0.2.04", `for="[::1"`, `for=""`}
		others := []string{"proto=https", "proto=http", "proto=httpsx", `proto="https"`, "PROTO=HTTPS", "host=b.example", "host=B.example", "host=b.example.", "host=b..example", `host="b.example:8443"`, "host=b_c", "by=192.0.2.9", "x=y", "", "proto=", "host="}
		parts := []string{pick(nodes...), pick(others...), pick(others...)}
		random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		text := strings.Join(parts[:1+random.IntN(3)], ";")
		if random.IntN(4) == 0 && text != "" {
			text = mangled(random, text)
		}
		if text == "" || strings.Contains(text, ",") {
			continue // nothing is no element
		}
		x, y := via("10.0.0.1:1", "Forwarded", text), via("10.0.0.1:1", "Forwarded", ";"+text)
		v, w := s.Check(x), s.Check(y)
		if reason(v) != reason(w) || x.Client != y.Client || x.ClientDoubtful != y.ClientDoubtful || x.Scheme != y.Scheme || x.Host != y.Host || x.Port != y.Port {
			t.Fatalf("%q: %q %v %v %s %s:%s; by the whole grammar %q %v %v %s %s:%s", text,
				reason(v), x.Client, x.ClientDoubtful, x.Scheme, x.Host, x.Port, reason(w), y.Client, y.ClientDoubtful, y.Scheme, y.Host, y.Port)
		}
		if v.Passed() && !x.ClientDoubtful {
			good++
		}
	}
	if good < 5_000 {
		t.Errorf("only %d elements were good", good)
	}
}

// serialise writes what was read of x as one element, as a proxy writes it.
func serialise(x *exchange.Exchange) string {
	node, host := x.Client.String(), x.Host
	if x.Client.Is6() {
		node = "[" + node + "]"
	}
	if x.Port != "" {
		host += ":" + x.Port
	}
	return fmt.Sprintf(`for="%s";proto=%s;host="%s"`, node, x.Scheme, host)
}

// fromTheLeft leaves of parts the one that decides, and the listed hops behind it,
// as the reference finds them.
func fromTheLeft(t *testing.T, read func(string) (*exchange.Exchange, exchange.Verdict), parts []string) string {
	t.Helper()
	decides := 0
	for i, part := range parts {
		if strings.Trim(part, " \t") == "" {
			continue
		}
		x, v := read(part) // alone: a part has no comma outside of quotes
		listed := v.Passed() && !x.ClientDoubtful && (proxies()[0].Contains(x.Client) || proxies()[1].Contains(x.Client) || proxies()[2].Contains(x.Client))
		if !listed {
			decides = i
		}
	}
	return strings.Join(parts[decides:], ",")
}
