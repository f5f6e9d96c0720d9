package docs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
)

// TestGoInTheGuide: each Go block of a page names the file that it is a part of,
// and stands there as it is. That file is built and tested; "// ..." leaves
// something out.
func TestGoInTheGuide(t *testing.T) {
	pages, err := filepath.Glob("guide/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	seen := 0
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?ms)^```go(.*?)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
			seen++
			file := strings.TrimSpace(m[1])
			code, err := os.ReadFile(filepath.Join("..", file))
			if file == "" || err != nil {
				t.Errorf("%s: a Go block says %q in place of the file that it is from: %v", page, file, err)
				continue
			}
			rest := string(code)
			for _, piece := range regexp.MustCompile(`(?m)^\s*// \.\.\.\n`).Split(m[2], -1) {
				_, after, found := strings.Cut(rest, strings.TrimRight(piece, "\n"))
				if !found {
					t.Errorf("%s: this is not in %s, or not in this order:\n%s", page, file, piece)
				}
				rest = after
			}
		}
	}
	if seen < 5 {
		t.Errorf("found %d Go blocks", seen)
	}
}

// A party is a scheme of a table: what its credential is in one request.
type party struct{ name, is string }

func (p *party) Name() string            { return p.name }
func (p *party) Challenge(string) string { return "Test" }

func (p *party) Authenticate(*exchange.Exchange) (exchange.Principal, error) {
	who := exchange.Principal{Issuer: "test", Subject: p.name, Scopes: exchange.LiteralScopes("read")}
	switch words := p.is; {
	case strings.HasPrefix(words, "no "):
		return exchange.Principal{}, authn.ErrNoCredential
	case strings.HasPrefix(words, "good "):
		return who, nil
	case strings.HasSuffix(words, " lacks the scope"):
		who.Scopes = exchange.Scopes{}
		return who, nil
	case strings.HasPrefix(words, "wrong "):
		return exchange.Principal{}, authn.Wrong("wrong")
	case strings.HasPrefix(words, "repeated "):
		return exchange.Principal{}, authn.Unreadable("repeated")
	case strings.HasSuffix(words, "'s store is away"):
		return exchange.Principal{}, errors.New("away")
	default:
		panic("a table of the page has words that nobody knows: " + words)
	}
}

// TestThePairTables asks authn for every cell of the tables of two credentials,
// and once more with the requirement made optional.
func TestThePairTables(t *testing.T) {
	page, err := os.ReadFile("guide/several-schemes.md")
	if err != nil {
		t.Fatal(err)
	}
	cells := 0
	for _, table := range regexp.MustCompile(`(?m)^\| A (or|and) B \|(?:.*\n)+?\n`).FindAllStringSubmatch(string(page), -1) {
		lines := strings.Split(strings.TrimSpace(table[0]), "\n")
		head := row(lines[0])
		for _, line := range lines[2:] {
			cell := row(line)
			for i := 1; i < len(cell); i++ {
				cells++
				a, b := &party{"A", cell[0]}, &party{"B", head[i]}
				if got := judged(t, a, b, table[1] == "and", false); got != cell[i] {
					t.Errorf("A %s B, %s, %s: %s, the page says %s", table[1], cell[0], head[i], got, cell[i])
				}
				want := cell[i]
				if cell[0] == "no A" && head[i] == "no B" {
					want = "nobody"
				}
				if got := judged(t, a, b, table[1] == "and", true); got != want {
					t.Errorf("A %s B, or nobody, %s, %s: %s, the page says %s", table[1], cell[0], head[i], got, want)
				}
			}
		}
	}
	if cells != 72 {
		t.Errorf("the page has %d cells, want two tables of 36", cells)
	}
}

func row(line string) (cells []string) {
	for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
		cells = append(cells, strings.TrimSpace(cell))
	}
	return cells
}

// judged returns whose request it is, or the status of its refusal.
func judged(t *testing.T, a, b authn.Scheme, both, optional bool) string {
	t.Helper()
	first, second := authn.Need{Scheme: a, Scopes: []string{"read"}}, authn.Need{Scheme: b, Scopes: []string{"read"}}
	requirement := authn.Requirement{{first}, {second}}
	if both {
		requirement = authn.Requirement{{first, second}}
	}
	if optional {
		requirement = append(requirement, authn.Alternative{})
	}
	stage, err := authn.New(authn.Config{Requirement: requirement})
	if err != nil {
		t.Fatal(err)
	}
	x := exchange.New(httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	switch v := stage.Check(x); {
	case !v.Passed():
		return strconv.Itoa(v.Problem().Type.Status())
	case x.Principal.IsZero():
		return "nobody"
	default:
		return x.Principal.Subject
	}
}

// TestTheSnippetsAreWrong runs the Python blocks of the page for those who come
// from FastAPI, and shows what the page says of each.
func TestTheSnippetsAreWrong(t *testing.T) {
	page, err := os.ReadFile("guide/coming-from-fastapi.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```python\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		blocks = append(blocks, m[1])
	}
	input, err := json.Marshal(blocks)
	if err != nil {
		t.Fatal(err)
	}
	python := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/snippets.py") // Debian's, whose FastAPI make needs installs
	python.Stdin = bytes.NewReader(input)
	if out, err := python.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "all ") {
		t.Errorf("%v\n%s", err, out)
	}
}
