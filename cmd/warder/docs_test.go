package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/internal/wire"
)

// A block is one fenced piece of a page: "sh" must succeed, the last line of "sh
// fails" must not, that of "sh fails 403", which is curl's, must be answered so,
// "sh server" runs in the background to the end of the page
// and so does "sh api", which is what the page protects; "yaml" is a
// configuration, or a piece of one, that must be valid; "sql" is what an
// administrator of PostgreSQL enters; "yaml traefik" and other
// languages are not this test's.
type block struct{ kind, text string }

// checked reports whether a kind of block is run here.
func checked(kind string) bool {
	word, _, _ := strings.Cut(kind, " ")
	return word == "sh" || kind == "yaml" || kind == "sql"
}

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
			if checked(current.kind) {
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
			if !slices.ContainsFunc(all, func(b block) bool { return strings.HasPrefix(b.kind, "sh") }) {
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
	protected := strings.TrimPrefix(api.url, "http://")
	if slices.ContainsFunc(all, func(b block) bool { return b.kind == "sh api" }) {
		protected = wire.FreeAddress(t)
	}
	gateway, admin, plain := wire.FreeAddress(t), wire.FreeAddress(t), wire.FreeAddress(t)
	database, superuser := "127.0.0.1:5432", ""
	if slices.ContainsFunc(all, func(b block) bool { return b.kind == "sql" }) {
		server := testpostgres.Start(t, testpostgres.Options{})
		database, superuser = fmt.Sprintf("127.0.0.1:%d", server.Port), server.URL(testpostgres.Superuser, "postgres")
	}
	replace := strings.NewReplacer(
		"127.0.0.1:5432", database,
		"go run ./cmd/warder", "./warder",
		"CGO_ENABLED=0 go build -tags grpcnotrace -o warder ./cmd/warder", "true",
		"go build -o warder ./cmd/warder", "true",
		"make test", "true",
		"127.0.0.1:8000", protected,
		"--port 8000", "--port "+protected[strings.LastIndexByte(protected, ':')+1:],
		"python3 -m uvicorn", "/usr/bin/python3 -m uvicorn", // Debian's, as make needs installs it
		"127.0.0.1:8080", gateway,
		"127.0.0.1:8081", admin,
		"127.0.0.1:8082", plain,
		"127.0.0.1:8083", wire.FreeAddress(t),
	)
	script := "set -eu\ncp '" + warder + "' ./warder\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n"
	for _, b := range all {
		script += b.script(replace.Replace(b.text), gateway, protected)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script)
	shell.Dir = t.TempDir()
	shell.Env = append(os.Environ(), "WARDER_LISTEN="+gateway, "WARDER_ADMIN_LISTEN="+admin, "USER=ada", "SUPERUSER="+superuser)
	shell.WaitDelay = 5 * time.Second
	if out, err := shell.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, script, out)
	}
}

// script returns the block as a part of the page's script.
func (b block) script(text, gateway, api string) string {
	if status, fails := strings.CutPrefix(b.kind, "sh fails"); fails {
		return failing(text, strings.TrimSpace(status))
	}
	switch b.kind {
	case "yaml":
		return secrets(text) + "cat >checked.yaml <<'END OF THE BLOCK'\n" + whole(text) + "END OF THE BLOCK\n./warder config validate checked.yaml\n"
	case "sql":
		return "psql -X -q -v ON_ERROR_STOP=1 \"$SUPERUSER\" <<'END OF THE BLOCK'\n" + text + "END OF THE BLOCK\n"
	case "sh api":
		return background(text, api)
	case "sh server":
		return background(text, gateway)
	default:
		return text
	}
}

// failing runs text, whose last line has to fail, with an HTTP status if one is
// given: not because nobody answers.
func failing(text, status string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := lines[len(lines)-1]
	script := strings.Join(lines[:len(lines)-1], "\n") + "\n"
	if status == "" {
		return script + "if " + last + "; then echo 'this should fail'; exit 1; fi\n"
	}
	return script + "got=$(" + last + " -o /dev/null -w '%{http_code}' || true)\n" +
		"[ \"$got\" = " + status + " ] || { echo \"this is answered $got in place of " + status + "\"; exit 1; }\n"
}

// background starts the command of text, and waits until address answers.
func background(text, address string) string {
	return fmt.Sprintf("%s >%s.log 2>&1 &\nfor i in $(seq 600); do curl -s -o /dev/null http://%s/ && break; sleep 0.05; done\n",
		strings.TrimSpace(text), strings.ReplaceAll(address, ":", "-"), address)
}

// whole gives a piece of a configuration something to protect, and secrets that
// are there.
func whole(text string) string {
	if !regexp.MustCompile(`(?m)^upstreams?:`).MatchString(text) {
		text = "upstream: http://127.0.0.1:8000\n" + text
	}
	return regexp.MustCompile(`file:/run/secrets/[a-z-]+`).ReplaceAllString(text, "file:./checked.secret")
}

// secrets gives each variable that text refers to a value, and a file as well.
func secrets(text string) string {
	const value = "0123456789abcdef0123456789abcdef"
	script := "(umask 077 && echo " + value + " >checked.secret)\n"
	for _, m := range regexp.MustCompile(`\$\{([A-Z_]+)\}`).FindAllStringSubmatch(text, -1) {
		script += "export " + m[1] + "=" + value + "\n"
	}
	return script
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
