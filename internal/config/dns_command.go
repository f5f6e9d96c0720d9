package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// checkDNSCommand wants a program whose place nobody has to look for.
func (l *loader) checkDNSCommand(field string, a *ACME) {
	const otherwise = 2 * time.Minute
	at := field + ".dns_command"
	if len(a.DNSCommand) == 0 {
		if a.DNSTimeout != otherwise && !l.failed(field+".dns_timeout") && !l.failed(at) {
			l.reject(field+".dns_timeout", "has no effect without dns_command", "")
		}
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
