package acme_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/warder-dev/warder/tlsconfig/acme"
)

// A nameServer answers by UDP and TCP what its records say, which are in the form of
// zone files. rcode is what it says else.
type nameServer struct {
	at string

	mu      sync.Mutex
	records []dns.RR
	late    int // questions for TXT that go by before there are such records
	rcode   int
	cut     bool // by UDP
	asked   []string
}

func serveNames(t *testing.T, records ...string) *nameServer {
	t.Helper()
	s := &nameServer{rcode: dns.RcodeNameError}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		s.records = append(s.records, rr)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.at = l.Addr().String()
	packets, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", s.at)
	if err != nil {
		_ = l.Close()
		t.Fatal(err)
	}
	var served sync.WaitGroup
	for _, server := range []*dns.Server{{Listener: l, Handler: s}, {PacketConn: packets, Handler: s}} {
		served.Go(func() { _ = server.ActivateAndServe() })
	}
	t.Cleanup(func() { _, _ = l.Close(), packets.Close(); served.Wait() })
	return s
}

func (s *nameServer) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := question.Question[0]
	s.asked = append(s.asked, dns.TypeToString[q.Qtype]+" "+q.Name)
	answer := new(dns.Msg)
	answer.SetReply(question)
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp && s.cut {
		answer.Truncated = true
		_ = w.WriteMsg(answer)
		return
	}
	answer.Rcode = s.rcode
	name := q.Name
	for _, rr := range s.records { // an alias stands before what it leads to
		alias, _ := rr.(*dns.CNAME)
		switch {
		case rr.Header().Name != name:
		case alias != nil && q.Qtype != dns.TypeCNAME:
			answer.Answer, name = append(answer.Answer, rr), alias.Target
		case rr.Header().Rrtype == q.Qtype && (q.Qtype != dns.TypeTXT || s.late == 0):
			answer.Answer = append(answer.Answer, rr)
		}
	}
	if q.Qtype == dns.TypeTXT && s.late > 0 {
		s.late--
	}
	if len(answer.Answer) > 0 {
		answer.Rcode = dns.RcodeSuccess
	}
	_ = w.WriteMsg(answer)
}

// change changes what s does, while it is asked.
func (s *nameServer) change(how func(s *nameServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how(s)
}

// questions returns how often s was asked for TXT records, and what else for.
func (s *nameServer) questions() (txt int, all string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.asked {
		if strings.HasPrefix(q, "TXT ") {
			txt++
		}
	}
	return txt, strings.Join(s.asked, ", ")
}

const (
	never      = 3 * time.Second // how long is looked for what never comes
	recordName = "_acme-challenge.www.example.test"
	txtRecord  = recordName + ". 60 TXT "
)

// TestPropagation looks for a record where the configuration says.
func TestPropagation(t *testing.T) {
	t.Parallel()
	closed, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	_ = closed.Close()
	all := []struct {
		name    string
		prepare func(s *nameServer)
		records []string
		more    []string // resolvers
		timeout time.Duration
		want    string // of the error, where SERVER is s; "" for none
		looks   int    // at least
	}{
		{name: "at once", records: []string{txtRecord + "theirs", txtRecord + "ours"}, looks: 1},
		{name: "in parts, which are one text", records: []string{txtRecord + `"ou" "rs"`}, looks: 1},
		{name: "behind an alias", records: []string{recordName + ". 60 CNAME a.keeper.test.", "a.keeper.test. 60 TXT ours"}, looks: 1},
		{name: "by TCP, since it is cut", prepare: func(s *nameServer) { s.cut = true }, records: []string{txtRecord + "ours"}, looks: 2},
		{name: "late", prepare: func(s *nameServer) { s.late = 1 }, records: []string{txtRecord + "ours"}, looks: 2},
		{name: "though another does not answer", records: []string{txtRecord + "ours"}, more: []string{nobody}, looks: 1},
		{name: "never", timeout: never, want: "no such record at SERVER", looks: 1},
		{name: "never: another text", records: []string{txtRecord + "theirs", txtRecord + "oursX", txtRecord + "Ours"}, timeout: never, want: "no such record at SERVER", looks: 1},
		{name: "never: another kind", records: []string{recordName + ". 60 A 127.0.0.1"}, timeout: never, want: "no such record at SERVER", looks: 1},
		{name: "never: the server is broken", prepare: func(s *nameServer) { s.rcode = dns.RcodeServerFailure }, timeout: never, want: "no answer from SERVER", looks: 1},
		{name: "never: none answers", prepare: func(s *nameServer) { s.rcode = dns.RcodeRefused }, more: []string{nobody}, timeout: never, want: "no answer from SERVER, " + nobody, looks: 1},
	}
	cases := make([]awaited, 0, len(all)+2)
	for _, tt := range all {
		s := serveNames(t, tt.records...)
		if tt.prepare != nil {
			s.change(tt.prepare)
		}
		cases = append(cases, awaited{tt.name, func() error {
			return acme.Await(t.Context(), acme.Propagation{Resolvers: append([]string{s.at}, tt.more...), Timeout: tt.timeout}, nil, "", recordName, "ours")
		}, func(t *testing.T, err error) {
			t.Helper()
			checkAwaited(t, err, strings.ReplaceAll(tt.want, "SERVER", s.at))
			if looks, _ := s.questions(); looks < tt.looks {
				t.Errorf("%d looks, want %d or more", looks, tt.looks)
			}
		}})
	}
	first, last, without := serveNames(t, txtRecord+"ours"), serveNames(t, txtRecord+"ours"), serveNames(t)
	last.change(func(s *nameServer) { s.late = 1 })
	cases = append(cases, awaited{"all that answer must show it", func() error {
		return acme.Await(t.Context(), acme.Propagation{Resolvers: []string{first.at, last.at}}, nil, "", recordName, "ours")
	}, func(t *testing.T, err error) {
		t.Helper()
		checkAwaited(t, err, "")
		if n, _ := last.questions(); n != 2 {
			t.Errorf("%d looks at the last, want 2", n)
		}
	}}, awaited{"one of them never does", func() error {
		return acme.Await(t.Context(), acme.Propagation{Resolvers: []string{first.at, without.at}, Timeout: never}, nil, "", recordName, "ours")
	}, func(t *testing.T, err error) {
		t.Helper()
		checkAwaited(t, err, "no such record at "+without.at)
	}})
	together(t, cases)
}

// checkAwaited: an error names the record and who was asked, and not what the
// record says.
func checkAwaited(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("the record was not seen: %v", err)
	case want == "":
	case err == nil:
		t.Errorf("seen, want %q", want)
	case err.Error() != "the record "+recordName+". is not seen after 3s: "+want+"; mend what publishes it, or who is asked":
		t.Errorf("%v, want %q", err, want)
	}
}

// TestPropagationAtTheZone asks the servers of the zone that has the record.
func TestPropagationAtTheZone(t *testing.T) {
	t.Parallel()
	const soa = " 60 SOA ns.example.test. hostmaster.example.test. 1 60 60 60 60"
	servers := func(zone string) []string {
		return []string{zone + soa, zone + " 60 NS ns." + zone, zone + " 60 NS gone." + zone, "ns." + zone + " 60 A 127.0.0.1", "ns." + zone + " 60 AAAA ::1"}
	}
	all := []struct {
		name   string
		system []string // what this machine's resolver knows
		has    string   // the record that the zone's server has
		want   string
		asks   string // one question of those to the resolver
	}{
		{"two labels above", servers("example.test."), txtRecord + "ours", "", "NS example.test."},
		{"its own", servers(recordName + "."), txtRecord + "ours", "", "NS " + recordName + "."},
		{
			"another, by an alias", append([]string{recordName + ". 60 CNAME b.a.example.test.", "b.a.example.test. 60 CNAME x.keeper.test."}, append(servers("example.test."), servers("keeper.test.")...)...),
			"x.keeper.test. 60 TXT ours", "", "NS keeper.test.",
		},
		{
			"an alias of the host is none of the record", append(append([]string{"www.example.test. 60 CNAME balancer.test."}, servers("example.test.")...), servers("balancer.test.")...),
			txtRecord + "ours", "", "NS example.test.",
		},
		{"without the record", servers("example.test."), txtRecord + "theirs", "no such record at ns.example.test.", "NS example.test."},
		{"without servers", []string{"example.test." + soa}, txtRecord + "ours", "the servers of its zone are not known: SYSTEM names no server of the zone example.test.", "NS example.test."},
		{"unknown", nil, txtRecord + "ours", "the servers of its zone are not known: SYSTEM knows no zone of " + recordName + ".", "SOA test."},
		{
			"aliases in a circle",
			[]string{recordName + ". 60 CNAME a.test.", "a.test. 60 CNAME " + recordName + "."},
			txtRecord + "ours", "the servers of its zone are not known: more than 8 aliases behind each other", "CNAME a.test.",
		},
	}
	cases := make([]awaited, 0, len(all))
	for _, tt := range all {
		zone, system := serveNames(t, tt.has), serveNames(t, tt.system...)
		_, port, err := net.SplitHostPort(zone.at)
		if err != nil {
			t.Fatal(err)
		}
		p := acme.Propagation{}
		if tt.want != "" {
			p.Timeout = never
		}
		cases = append(cases, awaited{tt.name, func() error {
			return acme.Await(t.Context(), p, []string{system.at}, port, strings.ToUpper(recordName), "ours")
		}, func(t *testing.T, err error) {
			t.Helper()
			checkAwaited(t, err, strings.ReplaceAll(tt.want, "SYSTEM", system.at))
			txt, asked := system.questions()
			if txt > 0 {
				t.Errorf("the resolver was asked for the record, and may remember that there was none")
			}
			if !strings.Contains(asked+", ", tt.asks+", ") {
				t.Errorf("the resolver was asked %s, want also %s", asked, tt.asks)
			}
		}})
	}
	together(t, cases)
}

// An awaited is a case whose wait may run beside others.
type awaited struct {
	name  string
	wait  func() error
	check func(t *testing.T, err error)
}

// together waits for all cases at once, since they do little else, and then checks
// each.
func together(t *testing.T, cases []awaited) {
	t.Helper()
	errs := make([]error, len(cases))
	var all sync.WaitGroup
	for i, c := range cases {
		all.Go(func() { errs[i] = c.wait() })
	}
	all.Wait()
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.check(t, errs[i]) })
	}
}

// TestPropagationWaits: nobody is asked when that is off, nor before the delay is
// over; a stop ends all waiting.
func TestPropagationWaits(t *testing.T) {
	t.Parallel()
	s := serveNames(t)
	ask := func(ctx context.Context, p acme.Propagation) error {
		p.Resolvers = []string{s.at}
		return acme.Await(ctx, p, nil, "", recordName, "ours")
	}
	if err := ask(t.Context(), acme.Propagation{Off: true, Delay: time.Millisecond}); err != nil {
		t.Errorf("off: %v", err)
	}
	stopped, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	for _, p := range []acme.Propagation{{Delay: time.Hour}, {Off: true, Delay: time.Hour}} {
		if err := ask(stopped, p); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: %v", p, err)
		}
	}
	if _, asked := s.questions(); asked != "" {
		t.Errorf("asked: %s", asked)
	}
	if err := ask(stopped, acme.Propagation{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is looked for: %v", err)
	}
	silent, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, _, _ = silent.ReadFrom(make([]byte, 512)); cancel() }()
	if err := acme.Await(ctx, acme.Propagation{Resolvers: []string{silent.LocalAddr().String()}}, nil, "", recordName, "ours"); !errors.Is(err, context.Canceled) {
		t.Errorf("while an answer is waited for: %v", err)
	}
}
