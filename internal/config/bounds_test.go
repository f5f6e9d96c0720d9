package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/config"
)

// bound is the processor time that the largest file may take, with the race
// detector too.
const bound = 5 * time.Second * slower

func repeat(text string, size int) string { return strings.Repeat(text, size/len(text)) }

func numbered(format string, count int) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// unwatched ends a test in which the race detector has nothing to watch, and that
// takes six times as long with it: one goroutine reads one file. make bounds runs it.
func unwatched(t *testing.T) {
	t.Helper()
	if slower > 1 {
		t.Skip("make bounds runs it, without the race detector")
	}
}

func TestHostileFilesAreRefusedSoon(t *testing.T) {
	unwatched(t)
	const size = 1<<20 - 64
	const part = 380_000 // below the bound of signs, so that the next one answers
	const routes = "upstreams: {a: {url: 'http://h'}}\nroutes:\n"
	tests := []struct{ name, text, want string }{
		{"flow lists", strings.Repeat("[", 1<<18), "nests deeper than 16"},
		{"flow maps", strings.Repeat("{", 1<<18), "nests deeper than 16"},
		{"flow maps with keys", strings.Repeat("{a: ", 1<<17), "nests deeper than 16"},
		{"lists in a line", strings.Repeat("- ", 1<<18), "nests deeper than 16"},
		{"explicit keys", strings.Repeat("? ", 1<<18), "nests deeper than 16"},
		{"maps in a line", strings.Repeat("a: ", 1<<17), "nests deeper than 16"},
		{"anchors", strings.Repeat("&a ", 1<<17), "anchors"},
		{"aliases", strings.Repeat("*a ", 1<<17), "anchors"},
		{"tags", strings.Repeat("!a ", 1<<18), "anchors"},
		{"brackets without end", repeat("[", size), "signs of YAML"},
		{"alias of its own list", "a: &a [" + repeat("*a, ", part) + "]", "anchors"},
		{"merges", "a: &x {b: c}\nd:\n" + repeat("  <<: *x\n", part), "anchors"},
		{"directives", repeat("%a b\n", part), "anchors"},
		{"documents", repeat("---\n", size), "signs of YAML"},
		{"stairs", stairs(size), "nests deeper than 16"},
		{"indentation", "a:\n" + repeat(" ", size) + "b: c\n", "no field"},
		{"tabs", repeat("\t", size), "tabs in a line"},
		{"tabs in quotes", "db: \"" + repeat("a\t", size) + "\"\n", "tabs in a line"},
		{"long list", "routes: [" + repeat("b, ", size) + "b]\n", "signs of YAML"},
		{"list of lists", "routes: [\n" + repeat("[b],\n", size) + "b]\n", "signs of YAML"},
		{"fields", repeat("a: b\n", part), "fields in one place"},
		{"different fields", numbered("k%d: v\n", 80_000), "fields in one place"},
		{"many maps with many fields", repeat("-\n"+strings.Repeat(" a: b\n", 4000), 600_000), "large sets of fields"},
		{"fields over two lines", repeat("a: b\n  c\n", size), "fields in one place"},
		{"values left out", repeat("a:\n", part), "left out"},
		{"entries left out", repeat("-\n", part), "left out"},
		{"entries left out, with comments", repeat("- #\n", part), "left out"},
		{"merge signs", repeat("<<", size), "in a row"},
		{"blank lines behind a block", "a: |\n b\n" + repeat("\n", size), "blank lines"},
		{"blank lines with CRLF", "a: |\r\n b\r\n" + repeat("\r\n", size), "blank lines"},
		{"blank lines with spaces", "a: |\n b\n" + repeat("  \n", size), "blank lines"},
		{"long text", "db: " + repeat("x", size) + "\n", "nothing to protect"},
		{"long quoted text", "keys: {header: \"" + repeat("x", size) + "\"}\n", "this value is not the name"},
		{"long block", "db: |\n" + repeat(" b\n", size), "line break"},
		{"quotes", repeat("\"", size), "signs of YAML"},
		{"quotes in quotes", "db: '" + repeat("'", size/3) + "'\n", "nothing to protect"},
		{"escapes", "db: \"" + repeat("\\n", size) + "\"\n", "line break"},
		{"an escape that runs out", "db: \"" + repeat("\\u", size) + "\"\n", "nothing to protect"},
		{"comments", repeat("# a\n", size), "nothing to protect"},
		{"comments in a map", "listn: b\n" + repeat("# c\n", size) + "lisen: b\n", "did you mean"},
		{"long comment", "#" + repeat("#", size), "nothing to protect"},
		{"numbers", "keys: {cache_size: " + repeat("1", size) + "}\n", "cache_size"},
		{"variables", "db: '" + repeat("${A", size) + "'\n", "does not begin the name"},
		{"unknown fields", "routes:\n" + repeat("- {lisen: 1}\n", part), "no field"},
		{"wrong names", "upstreams:\n" + numbered("  u%d: {url: 'http://h'}\n", 4000) + "routes:\n" + numbered("  - {match: '/%d', upstream: u39x}\n", 9000), "no upstream is called"},
		{"conflicts", routes + strings.Repeat("  - {match: '/{x}/', upstream: a}\n", 10_000), "is the same as"},
		{"overlaps", routes + numbered("  - {match: '/q/{y}/a%d/', upstream: a}\n", 7000) + strings.Repeat("  - {match: '/{x}/p/a1/', upstream: a}\n", 40), "overlaps"},
		{"trees below a wildcard", routes + numbered("  - {match: '/{x}"+strings.Repeat("/a", 15)+"/%d/', upstream: a}\n", 9500), "same wildcard"},
		{"wildcards", routes + numbered("  - {match: 'M%d "+numbered("/{x%d}", 14)+"', upstream: a}\n", 7000), "same wildcard"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began := spent()
			_, err := load(t, tt.text, config.Source{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %.200v, want %s", err, tt.want)
			}
			if took := spent() - began; took > bound {
				t.Errorf("took %v of processor time, want at most %v", took, bound)
			}
		})
	}
}

// stairs is each line deeper than the one before.
func stairs(size int) string {
	var b strings.Builder
	for i := 0; b.Len()+i+3 < size; i++ {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestLargeConfigurationFits(t *testing.T) {
	unwatched(t)
	tests := []struct{ name, route string }{
		{"exact", "  - match: GET /orders/%d/{id}\n    upstream: a\n    scopes: [orders:read]\n"},
		{"trees", "  - match: /api/v1/orders%d/\n    upstream: a\n    body_bytes: 64KiB\n"},
		{"hosts", "  - {match: h%d.example/, upstream: a, public: true}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began := spent()
			text := "upstreams: {a: {url: 'http://h'}}\nroutes:\n  - {match: /, upstream: a}\n" + numbered(tt.route, 9999)
			c, err := load(t, text, config.Source{})
			if err != nil || len(c.Routes) != 10_000 {
				t.Fatalf("%d bytes: %.200v, want 10000 routes", len(text), err)
			}
			if took := spent() - began; took > bound {
				t.Errorf("took %v of processor time, want at most %v", took, bound)
			}
		})
	}
}
