package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/wire"
)

// A block is one fenced piece of a page: "sh" must succeed, "sh fails" must not,
// "sh server" runs in the background to the end of the page.
type block struct{ kind, text string }

// blocks returns the commands of a page, in order.
func blocks(t *testing.T, page string) (all []block) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var current *block
	for line := range strings.SplitSeq(string(text), "\n") {
		kind, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && current == nil:
			current = &block{kind: kind}
		case fence:
			if strings.HasPrefix(current.kind, "sh") {
				all = append(all, *current)
			}
			current = nil
		case current != nil:
			current.text += line + "\n"
		}
	}
	if current != nil {
		t.Fatalf("%s: a fence is not closed", page)
	}
	return all
}

// TestTheCommandsInTheDocs runs every command that a page shows, page by page, in
// a folder of its own, as a reader does: only the ports are others, and the
// program is built already.
func TestTheCommandsInTheDocs(t *testing.T) {
	pages, err := filepath.Glob("../../docs/guide/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, page := range append(pages, "../../README.md") {
		t.Run(filepath.Base(page), func(t *testing.T) {
			all := blocks(t, page)
			if len(all) == 0 {
				t.Fatal("the page shows no command")
			}
			runPage(t, all)
		})
	}
}

func runPage(t *testing.T, all []block) {
	t.Helper()
	warder, err := exec.LookPath("warder")
	if err != nil {
		t.Fatal(err)
	}
	api, err := startOrders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer api.close()
	gateway, admin, plain := wire.FreeAddress(t), wire.FreeAddress(t), wire.FreeAddress(t)
	replace := strings.NewReplacer(
		"go run ./cmd/warder", "./warder",
		"CGO_ENABLED=0 go build -o warder ./cmd/warder", "true",
		"go build -o warder ./cmd/warder", "true",
		"make test", "true",
		"http://127.0.0.1:8000", api.url,
		"127.0.0.1:8080", gateway,
		"127.0.0.1:8081", admin,
		"127.0.0.1:8082", plain,
	)
	script := "set -eu\ncp '" + warder + "' ./warder\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
	for _, b := range all {
		script += b.script(replace.Replace(b.text), gateway)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script)
	shell.Dir = t.TempDir()
	shell.Env = append(os.Environ(), "WARDER_LISTEN="+gateway, "WARDER_ADMIN_LISTEN="+admin, "USER=ada")
	shell.WaitDelay = 5 * time.Second
	if out, err := shell.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, script, out)
	}
}

// script returns the block as a part of the page's script.
func (b block) script(text, gateway string) string {
	switch b.kind {
	case "sh fails":
		lines := strings.Split(strings.TrimSpace(text), "\n")
		last := len(lines) - 1
		return strings.Join(lines[:last], "\n") + "\nif " + lines[last] + "; then echo 'this should fail'; exit 1; fi\n"
	case "sh server":
		return fmt.Sprintf("%s >server.log 2>&1 &\nfor i in $(seq 200); do curl -s -o /dev/null http://%s/ && break; sleep 0.05; done\n",
			strings.TrimSpace(text), gateway)
	default:
		return text
	}
}

// TestTheKeyInTheGuide is one that warder would take.
func TestTheKeyInTheGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/guide/api-keys.md")
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`wrd_live_[0-9A-Za-z]+`).FindString(string(text))
	if _, err := apikey.Parse(key); err != nil {
		t.Errorf("the guide's key %q: %v", key, err)
	}
}

// TestNoDeadLinks follows the relative links of every page.
func TestNoDeadLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	root := "../.."
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/guide/*.md", "docs/reference/*.md", "docs/adr/*.md"} {
		pages, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range link.FindAllStringSubmatch(string(text), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
					t.Errorf("%s links to %s, which is not there", page, m[1])
				}
			}
		}
	}
}
