package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/config"
)

// units are the files of systemd that the guide shows, by name.
func units(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/guide/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)```ini\n# /etc/systemd/system/(\\S+)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		all[m[1]] = m[2]
	}
	return all
}

// TestTheUnitsInTheGuide has systemd judge them, and holds them against the
// program.
func TestTheUnitsInTheGuide(t *testing.T) {
	warder, err := exec.LookPath("warder")
	if err != nil {
		t.Fatal(err)
	}
	all := units(t)
	folder := t.TempDir()
	var files []string
	names := map[string]bool{}
	for name, text := range all {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "/usr/local/bin/warder", warder)), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		for _, m := range regexp.MustCompile(`(?m)^FileDescriptorName=(.*)$`).FindAllStringSubmatch(text, -1) {
			names[m[1]] = true
		}
	}
	if len(files) != 3 || len(names) != 2 || !names["listen"] || !names["tls.redirect_listen"] {
		t.Fatalf("the guide shows %v with sockets %v", files, names)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", append([]string{"verify", "--man=no"}, files...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
	service := all["warder.service"]
	stop := regexp.MustCompile(`(?m)^TimeoutStopSec=(.*)$`).FindStringSubmatch(service)
	cfg, err := config.Load(config.Source{Flags: map[string]string{"upstream": "http://127.0.0.1:9"}})
	if err != nil {
		t.Fatal(err)
	}
	if bound, err := time.ParseDuration(stop[1]); err != nil || bound <= cfg.Timeouts.Drain {
		t.Errorf("the manager waits %v (%v), the program drains for %v", bound, err, cfg.Timeouts.Drain)
	}
	if _, args, ok := strings.Cut(service, "ExecStart=/usr/local/bin/warder serve "); !ok || !strings.HasPrefix(args, "--config /etc/warder/warder.yaml\n") {
		t.Errorf("the service starts something else:\n%s", service)
	}
}
