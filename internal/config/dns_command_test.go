package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/config"
)

func TestDNSCommand(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "hook")
	yaml := shorthand + "tls: {acme: {agree_to_terms: true, names: ['*.A.example', a.example], dns_command: ['" + program + "', -v]}}\n"
	const where = "warder.yaml:2: tls.acme.dns_command[0]: "
	if got := weak(t, yaml); !slices.Equal(got, []string{where + "the program is not there, so that no certificate will be got; put it there, or mend its name"}) {
		t.Errorf("no program: %q", got)
	}
	for mode, want := range map[os.FileMode][]string{
		0o600: {where + "nobody may run the program, so that no certificate will be got; take a file with that right: chmod +x"},
		0o700: nil,
	} {
		if err := os.WriteFile(program, nil, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(program, mode); err != nil {
			t.Fatal(err)
		}
		if got := weak(t, yaml); !slices.Equal(got, want) {
			t.Errorf("mode %v: %q, want %q", mode, got, want)
		}
	}
	c, err := load(t, yaml, config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	if a := c.TLS.ACME; a.DNSTimeout != 2*time.Minute || a.DNSWait != 2*time.Minute || a.DNSDelay != 0 || a.DNSResolvers != nil || !slices.Equal(a.DNSCommand, []string{program, "-v"}) {
		t.Errorf("%v, %q", a.DNSTimeout, a.DNSCommand)
	}
}
