package acme

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// A Propagation says how a record of DNS-01 is looked for before the authority is
// told that it is there: an authority that looks too early refuses the name, and
// counts that.
type Propagation struct {
	_ [0]func()

	// Resolvers are asked for the record: addresses, with a port where that is not
	// 53. Empty means the servers of the record's own zone, which the resolvers of
	// this machine name: those have it first, and keep no memory of its absence.
	Resolvers []string

	// Delay is waited before the first look; 0 to 1 h.
	Delay time.Duration

	// Timeout is how long the record is looked for. 0 means 2 min; 1 s to 1 h.
	Timeout time.Duration

	// Off looks for nothing: Publish must return only when all can see the record.
	Off bool
}

// Bounds of a Propagation, and of one question.
const (
	maxPropagation     = time.Hour
	defaultPropagation = 2 * time.Minute
	maxResolvers       = 16
	questionTimeout    = 5 * time.Second
	maxPause           = 10 * time.Second // between two looks
	maxAliases         = 8                // CNAMEs behind each other
	dnsPort            = "53"
	udpSize            = 1232 // bytes of an answer that no network on the way cuts
)

// complete sets defaults, and tells what is wrong.
func (p *Propagation) complete(say func(format string, args ...any)) {
	if p.Timeout == 0 {
		p.Timeout = defaultPropagation
	}
	if p.Timeout < time.Second || p.Timeout > maxPropagation {
		say("Propagation.Timeout is %v, want 1s to %v", p.Timeout, maxPropagation)
	}
	if p.Delay < 0 || p.Delay > maxPropagation {
		say("Propagation.Delay is %v, want 0 to %v", p.Delay, maxPropagation)
	}
	if len(p.Resolvers) > maxResolvers {
		say("Propagation.Resolvers has %d entries, want %d at most", len(p.Resolvers), maxResolvers)
	}
	all := slices.Clone(p.Resolvers)
	for i, text := range all {
		at, err := resolverAddress(text)
		if err != nil {
			say("Propagation.Resolvers[%d]: %q: %w", i, text, err)
		}
		all[i] = at
	}
	p.Resolvers = all
}

var errResolver = errors.New("want the address of a DNS server, such as 192.0.2.53 or [2001:db8::53]:5353")

// resolverAddress is the host:port of an entry of [Propagation.Resolvers]. An error
// says what is wanted.
func resolverAddress(text string) (string, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		text = net.JoinHostPort(addr.String(), dnsPort)
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil || at.Port() == 0 || at.Addr().IsUnspecified() {
		return "", errResolver
	}
	return at.String(), nil
}

// A lookout waits until a record is seen. It is safe for concurrent use.
type lookout struct {
	Propagation
	system func() ([]string, error) // the resolvers of this machine, as host:port
	port   string                   // of a zone's own servers
}

func newLookout(p Propagation) *lookout {
	return &lookout{Propagation: p, system: systemResolvers, port: dnsPort}
}

// systemResolvers reads what this machine asks.
func systemResolvers() ([]string, error) {
	c, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil || len(c.Servers) == 0 {
		return nil, errors.New("this machine names no DNS server in /etc/resolv.conf; name some that can be asked")
	}
	all := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		all[i] = net.JoinHostPort(s, c.Port)
	}
	return all, nil
}

// A dnsServer is asked at the first of its addresses that answers.
type dnsServer struct {
	name      string // as it is told
	addresses []string
}

// await returns when the TXT record with the value is seen at name: some server
// shows it, and none answers without it. One that does not answer is left out, as
// the authority will do.
func (l *lookout) await(ctx context.Context, name, value string) error {
	if err := pause(ctx, l.Delay); err != nil || l.Off {
		return err
	}
	name = dns.Fqdn(strings.ToLower(name))
	end := time.Now().Add(l.Timeout)
	limited, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	var target string
	var servers []dnsServer
	var why error
	for wait := time.Second; ; wait = min(2*wait, maxPause) {
		var err error
		if servers == nil {
			target, servers, err = l.find(limited, name)
		}
		if err == nil {
			err = look(limited, servers, target, value)
		}
		if err == nil {
			return nil
		}
		if why == nil || time.Now().Before(end) { // the end of the time makes all silent
			why = err
		}
		if pause(limited, wait) != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the record %s is not seen after %v: %w; mend what publishes it, or who is asked", name, l.Timeout, why)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// find returns which servers are asked for which name.
func (l *lookout) find(ctx context.Context, name string) (target string, servers []dnsServer, err error) {
	if len(l.Resolvers) > 0 {
		for _, r := range l.Resolvers {
			servers = append(servers, dnsServer{r, []string{r}})
		}
		return name, servers, nil // they follow aliases by themselves
	}
	system, err := l.system()
	if err != nil {
		return "", nil, err
	}
	resolver := dnsServer{strings.Join(system, ", "), system}
	if target, err = follow(ctx, resolver, name); err == nil {
		servers, err = l.serversOf(ctx, resolver, target)
	}
	if err != nil {
		return "", nil, fmt.Errorf("the servers of its zone are not known: %w", err)
	}
	return target, servers, nil
}

// follow returns the name that name is an alias of, or name itself: the record may
// be kept in another zone, whose servers alone have it.
func follow(ctx context.Context, resolver dnsServer, name string) (string, error) {
	for range maxAliases {
		answer, err := resolver.ask(ctx, name, dns.TypeCNAME)
		if err != nil {
			return "", err
		}
		next := ""
		for _, rr := range answer.Answer {
			if alias, ok := rr.(*dns.CNAME); ok && dns.CanonicalName(alias.Hdr.Name) == name {
				next = dns.CanonicalName(alias.Target)
			}
		}
		if next == "" {
			return name, nil
		}
		name = next
	}
	return "", fmt.Errorf("more than %d aliases behind each other", maxAliases)
}

// serversOf returns the servers of the zone that holds name.
func (l *lookout) serversOf(ctx context.Context, resolver dnsServer, name string) ([]dnsServer, error) {
	zone, err := zoneOf(ctx, resolver, name)
	if err != nil {
		return nil, err
	}
	answer, err := resolver.ask(ctx, zone, dns.TypeNS)
	if err != nil {
		return nil, err
	}
	var servers []dnsServer
	for _, rr := range answer.Answer {
		if ns, ok := rr.(*dns.NS); ok && len(servers) < maxResolvers {
			s := dnsServer{name: dns.CanonicalName(ns.Ns)}
			for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
				s.addresses = append(s.addresses, l.addresses(ctx, resolver, s.name, kind)...)
			}
			servers = append(servers, s)
		}
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("%s names no server of the zone %s", resolver.name, zone)
	}
	return servers, nil
}

// addresses returns where the server called name is; none when nobody knows.
func (l *lookout) addresses(ctx context.Context, resolver dnsServer, name string, kind uint16) (all []string) {
	answer, err := resolver.ask(ctx, name, kind)
	if err != nil {
		return nil
	}
	for _, rr := range answer.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			all = append(all, net.JoinHostPort(rr.A.String(), l.port))
		case *dns.AAAA:
			all = append(all, net.JoinHostPort(rr.AAAA.String(), l.port))
		}
	}
	return all
}

// zoneOf returns the zone that holds name: the nearest name above it, or itself,
// that has a record of a zone's begin. An alias on the way leads elsewhere, so that
// only records of the very name count.
func zoneOf(ctx context.Context, resolver dnsServer, name string) (string, error) {
	for _, i := range dns.Split(name) {
		answer, err := resolver.ask(ctx, name[i:], dns.TypeSOA)
		if err != nil {
			return "", err
		}
		for _, rr := range answer.Answer {
			if soa, ok := rr.(*dns.SOA); ok && dns.CanonicalName(soa.Hdr.Name) == name[i:] {
				return name[i:], nil
			}
		}
	}
	return "", fmt.Errorf("%s knows no zone of %s", resolver.name, name)
}

// errNoRecord means that a server answers, without the record.
var errNoRecord = errors.New("no such record")

// look asks all servers at once. The error tells of those that have no record, or
// of all when none answers.
func look(ctx context.Context, servers []dnsServer, name, value string) error {
	results := make([]chan error, len(servers))
	for i, s := range servers {
		results[i] = make(chan error, 1)
		go func() { results[i] <- s.shows(ctx, name, value) }()
	}
	var without, silent []string
	for i, s := range servers {
		switch err := <-results[i]; {
		case errors.Is(err, errNoRecord):
			without = append(without, s.name)
		case err != nil:
			silent = append(silent, s.name)
		}
	}
	switch {
	case len(without) > 0:
		return fmt.Errorf("%w at %s", errNoRecord, told(without))
	case len(silent) == len(servers):
		return fmt.Errorf("no answer from %s", told(silent))
	}
	return nil
}

// maxTold is how many servers an error names.
const maxTold = 4

func told(names []string) string {
	if more := len(names) - maxTold; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxTold], ", "), more)
	}
	return strings.Join(names, ", ")
}

// shows asks s for the record.
func (s dnsServer) shows(ctx context.Context, name, value string) error {
	answer, err := s.ask(ctx, name, dns.TypeTXT)
	if err != nil {
		return err
	}
	for _, rr := range answer.Answer {
		if txt, ok := rr.(*dns.TXT); ok && strings.Join(txt.Txt, "") == value {
			return nil
		}
	}
	return errNoRecord
}

// ask returns the first answer that says what there is, or that there is nothing.
// What a server answers instead, such as a refusal, is none.
func (s dnsServer) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	for _, address := range s.addresses {
		question := new(dns.Msg)
		question.SetQuestion(name, kind)
		question.SetEdns0(udpSize, false)
		answer := exchange(ctx, question, address)
		if answer != nil && (answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError) {
			return answer, nil
		}
	}
	return nil, fmt.Errorf("no answer from %s", s.name)
}

// exchange asks by UDP, and by TCP when the answer is cut or does not come; nil for
// no answer.
func exchange(ctx context.Context, question *dns.Msg, address string) *dns.Msg {
	for _, network := range []string{"udp", "tcp"} {
		answer, err := exchangeBy(ctx, &dns.Client{Net: network, Timeout: questionTimeout}, question, address)
		if err == nil && !answer.Truncated {
			return answer
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// exchangeBy asks once, and no longer than ctx lasts: the client knows deadlines only.
func exchangeBy(ctx context.Context, client *dns.Client, question *dns.Msg, address string) (*dns.Msg, error) {
	conn, err := client.DialContext(ctx, address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	answer, _, err := client.ExchangeWithConnContext(ctx, question, conn)
	return answer, err
}
