package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// checkDNSCommand wants a program whose place nobody has to look for.
func (l *loader) checkDNSCommand(field string, a *ACME) {
	at := field + ".dns_command"
	if len(a.DNSCommand) == 0 {
		l.checkNoDNS(field, a)
		return
	}
	program := at + "[0]"
	if !filepath.IsAbs(a.DNSCommand[0]) && !l.failed(program) {
		l.reject(program, "is not an absolute path", "write the program's whole path, and its arguments as further entries")
	}
	for i, arg := range a.DNSCommand {
		if strings.ContainsRune(arg, 0) {
			l.reject(fmt.Sprintf("%s[%d]", at, i), "has a byte 0, which no argument can hold", "")
		}
	}
	l.checkPropagation(field, a)
}

// checkNoDNS refuses settings that only records in the DNS give a meaning.
func (l *loader) checkNoDNS(field string, a *ACME) {
	const otherwise = 2 * time.Minute // of dns_timeout, and of dns_wait
	for _, setting := range []struct {
		name string
		set  bool
	}{
		{"dns_timeout", a.DNSTimeout != otherwise},
		{"dns_resolvers", len(a.DNSResolvers) > 0},
		{"dns_delay", a.DNSDelay != 0},
		{"dns_wait", a.DNSWait != otherwise},
	} {
		if at := field + "." + setting.name; setting.set && !l.failed(at) && !l.failed(field+".dns_command") {
			l.reject(at, "has no effect without dns_command", "")
		}
	}
}

// maxResolvers is how many DNS servers may be asked for a record.
const maxResolvers = 16

// checkPropagation checks how records are looked for.
func (l *loader) checkPropagation(field string, a *ACME) {
	resolvers, wait := field+".dns_resolvers", field+".dns_wait"
	l.eachWord(resolvers, a.DNSResolvers, validResolver, "is not the address of a DNS server", "write it like 192.0.2.53 or [2001:db8::53]:5353")
	switch {
	case l.failed(resolvers):
	case len(a.DNSResolvers) > maxResolvers:
		l.reject(resolvers, fmt.Sprintf("has more than %d entries", maxResolvers), "name those whose answers count")
	case len(a.DNSResolvers) > 0 && a.DNSWait == 0 && !l.failed(wait):
		l.reject(resolvers, "has no effect with dns_wait: 0s", "leave one of the two out")
	}
	if a.DNSWait != 0 && a.DNSWait < time.Second && !l.failed(wait) {
		l.reject(wait, "is shorter than any answer takes", "take 1s or more, or 0s to look for nothing")
	}
}

// validResolver reports whether text is an address, with a port or without.
func validResolver(text string) bool {
	if addr, err := netip.ParseAddr(text); err == nil {
		return !addr.IsUnspecified()
	}
	at, err := netip.ParseAddrPort(text)
	return err == nil && at.Port() != 0 && !at.Addr().IsUnspecified()
}

// dnsCommand tells of a program that cannot be run.
func (w *weaknesses) dnsCommand() {
	a := w.config.TLS.ACME
	if a == nil || len(a.DNSCommand) == 0 {
		return
	}
	const field, costs = "tls.acme.dns_command[0]", ", so that no certificate will be got"
	info, err := os.Stat(a.DNSCommand[0])
	switch {
	case err != nil:
		w.add(field, "the program is not there"+costs, "put it there, or mend its name")
	case !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode().Perm()&0o111 == 0:
		w.add(field, "nobody may run the program"+costs, "take a file with that right: chmod +x")
	}
}
