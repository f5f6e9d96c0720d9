package target_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/target"
)

// A row is one target: 400 strictly, and what the allowances make of it.
type row struct {
	raw      string
	allow    exchange.Ambiguity
	path     string // "" for 400
	upstream string // "" for path
}

func check(t *testing.T, rows []row) {
	t.Helper()
	for _, tt := range rows {
		got := send(t, tt.allow, http.MethodGet, tt.raw)
		if tt.path == "" {
			if got.status != http.StatusBadRequest {
				t.Errorf("%q with %q: got %d %q, want 400", tt.raw, tt.allow, got.status, got.path)
			}
			continue
		}
		upstream := tt.upstream
		if upstream == "" {
			upstream = tt.path
		}
		if got.status != http.StatusOK || got.path != tt.path || got.upstream != upstream {
			t.Errorf("%q with %q: got %d %q, upstream %q; want 200 %q, upstream %q", tt.raw, tt.allow, got.status, got.path, got.upstream, tt.path, upstream)
		}
	}
}

func paths() map[string][]row {
	return map[string][]row{
		"PATH-01": {
			{raw: "/a/../admin"},
			{raw: "/./admin"},
			{raw: "/a/."},
			{raw: "/a/.."},
			{raw: "/a/../admin", allow: all &^ exchange.DotSegments},
			{"/a/../admin", exchange.DotSegments, "/admin", ""},
			{"/./admin", exchange.DotSegments, "/admin", ""},
			{"/a/.", exchange.DotSegments, "/a/", ""},
			{"/a/..", exchange.DotSegments, "/", ""},
			{"/../../admin", exchange.DotSegments, "/admin", ""},
			{"/.well-known/...", 0, "/.well-known/...", ""},
		},
		"PATH-02": {
			{raw: "/a/%2e%2e/admin"},
			{raw: "/a/%2E./admin"},
			{raw: "/a/.%2e/admin"},
			{raw: "/%2e/admin"},
			{"/a/%2e%2e/admin", exchange.DotSegments, "/admin", ""},
			{"/a/%2E./admin", exchange.DotSegments, "/admin", ""},
			{"/a/.%2e/admin", exchange.DotSegments, "/admin", ""},
		},
		"PATH-03": {
			{raw: "//admin"},
			{raw: "/a//admin"},
			{raw: "/a//"},
			{raw: "//"},
			{raw: "//admin", allow: all &^ exchange.EmptySegments},
			{"//admin", exchange.EmptySegments, "/admin", ""},
			{"/a///admin", exchange.EmptySegments, "/a/admin", ""},
			{"/a//", exchange.EmptySegments, "/a/", ""},
			{"/a//../b", exchange.EmptySegments | exchange.DotSegments, "/b", ""},
		},
		"PATH-04": {
			{raw: "/admin%2fusers"},
			{raw: "/admin%2Fusers"},
			{raw: "/orders/a%2Fb"},
			{"/admin%2fusers", exchange.EncodedSlash, "/admin%2Fusers", ""},
			{"/admin%2Fusers", exchange.EncodedSlash, "/admin%2Fusers", ""},
			{raw: "/a%2f..%2fadmin", allow: all},
			{raw: "/a%2f%2e%2e", allow: all},
			{raw: "/..%2fadmin", allow: all},
			{raw: "/a;x%2f..;%2fadmin", allow: all},
		},
		"PATH-05": {
			{raw: "/admin;x=1"},
			{raw: "/admin;/..;/secret"},
			{raw: "/admin;x=1", allow: all &^ exchange.PathParameters},
			{raw: "/admin;/..;/secret", allow: exchange.PathParameters},
			{raw: "/admin;/..;/secret", allow: exchange.DotSegments},
			{raw: "/a/;x/b", allow: exchange.PathParameters},
			{"/admin;x=1", exchange.PathParameters, "/admin", "/admin;x=1"},
			{"/admin;x=1/users;y", exchange.PathParameters, "/admin/users", "/admin;x=1/users;y"},
			{"/admin;/..;/secret", exchange.PathParameters | exchange.DotSegments, "/secret", ""},
			{"/a/;x/b", exchange.PathParameters | exchange.EmptySegments, "/a/b", ""},
			{"/a/;x", exchange.PathParameters, "/a/", "/a/;x"},
			{"/admin%3Bx", 0, "/admin%3Bx", ""},
			{raw: "/files/..%3B/admin", allow: all}, // an encoded one divides nothing, and hides nothing either
			{raw: "/files/..%3b/admin", allow: all},
			{raw: "/files/.%3Bx/admin", allow: all},
			{raw: "/files/%2e%2E%3bx=1", allow: all},
			{raw: "/files/..%3B;x/admin", allow: all},
			{raw: "/files/a%2F..%3Bx/admin", allow: all},
			{raw: "/files/..%3B/admin"},
			{"/files/...%3B/admin", 0, "/files/...%3B/admin", ""},
		},
		"PATH-06": {
			{raw: "/a%00", allow: all},
			{raw: "/a%0d%0a", allow: all},
			{raw: "/a%0D%0AX:y", allow: all},
			{raw: "/a%1f", allow: all},
			{raw: "/a%7f", allow: all},
			{raw: "/a\x01b", allow: all},
			{raw: "/a\x7fb", allow: all},
			{raw: "/a\tb", allow: all},
			{raw: "/a?b=\x01"},
			{raw: "/a b"},
		},
		"PATH-07": {
			{"/a/%252e%252e/admin", 0, "/a/%252e%252e/admin", ""},
			{"/a%252fb", 0, "/a%252fb", ""},
			{"/a%252fb", all, "/a%252fb", ""},
			{"/%252541", 0, "/%252541", ""},
		},
		"PATH-08": {
			{raw: `/a\admin`, allow: all},
			{raw: `\admin`, allow: all},
			{raw: "/a%5cadmin", allow: all},
			{raw: "/a%5Cadmin", allow: all},
			{raw: "/a/..%5cadmin", allow: all},
		},
		"PATH-09": {
			{raw: "/%c0%ae%c0%ae/admin", allow: all},
			{raw: "/%ff", allow: all},
			{raw: "/%e4", allow: all},
			{raw: "/%c3/%a9", allow: all},
			{raw: "/%ed%a0%80", allow: all},
			{raw: "/%f4%90%80%80", allow: all},
			{"/caf%c3%a9", 0, "/caf%C3%A9", ""},
		},
		"PATH-10": {
			{raw: "/a/．．/admin", allow: all}, // raw non-ASCII
			{"/a/%ef%bc%8e%ef%bc%8e/admin", all, "/a/%EF%BC%8E%EF%BC%8E/admin", ""},
			{"/a%ef%bc%8fadmin", all, "/a%EF%BC%8Fadmin", ""},
			{"/caf%C3%A9", all, "/caf%C3%A9", ""},
			{"/cafe%CC%81", all, "/cafe%CC%81", ""},
		},
		"PATH-11": {
			{"/admin.", all, "/admin.", ""},
			{"/admin%20", all, "/admin%20", ""},
			{"/admin/", all, "/admin/", ""},
			{"/admin", all, "/admin", ""},
		},
		"PATH-12": {
			{"/Admin", 0, "/Admin", ""},
			{"/%41dmin", 0, "/Admin", ""},
			{"/%61dmin", 0, "/admin", ""},
			{"/%7Ea", 0, "/~a", ""},
			{"/a%2db%5fc", 0, "/a-b_c", ""},
			{"/a%2cb", 0, "/a%2Cb", ""},
		},
		"PATH-14": {
			{"/a%3fb", 0, "/a%3Fb", ""},
			{raw: "/a#b"},
			{raw: "/a?q#b"},
			{"/a%23b", 0, "/a%23b", ""},
		},
		"PATH-15": {
			{raw: "/a%2"},
			{raw: "/a%"},
			{raw: "/a%zz"},
			{raw: "/a%2g"},
			{raw: "/%u0041"},
		},
	}
}

func TestPaths(t *testing.T) {
	for id, rows := range paths() {
		attack.Case(t, id, attack.Library, func(t *testing.T) { check(t, rows) })
	}
}

func TestRewrittenPathsAreJudgedAgain(t *testing.T) {
	attack.Case(t, "PATH-16", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name, path, strip, add string
			want                   string // "" for an error
		}{
			{"nothing left", "/api", "/api", "", ""},
			{"no slash left", "/apix", "/api", "", ""},
			{"ordinary", "/api/x", "/api", "/v1", "/v1/x"},
			{"dots appear where the prefix ended", "/api../x", "/api", "/v1/", ""},
			{"dots come with the new prefix", "/api/x", "/api", "/v1/..", ""},
			{"a slash too many", "/api/x", "/api", "/v1/", ""},
			{"dots begin the rest", "/a/b/x", "/a/b/x", "/..", ""},
			{"halves of an encoding meet", "/api2e/x", "/api", "/%", ""},
			{"an encoding is made", "/api41", "/api", "/%", "/A"},
		} {
			first, err := target.Canonical(tt.path, 0)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			got, err := target.Canonical(tt.add+strings.TrimPrefix(first.Path, tt.strip), 0)
			if got.Path != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("%s: got %q, %v; want %q", tt.name, got.Path, err, tt.want)
			}
		}
		got, err := target.Canonical("/v1/../x", exchange.DotSegments)
		if err != nil || got.Path != "/x" || got.Ambiguity != exchange.DotSegments {
			t.Errorf("with dot segments allowed: got %+v, %v; want /x", got, err)
		}
	})
}

func TestCanonicalErrors(t *testing.T) {
	for _, path := range []string{"", "*", "a", "/a\"", "/<a>", "/a^", "/a`", "/{a}", "/a|b", "/[a]", "/a?b"} {
		if _, err := target.Canonical(path, all); !errors.Is(err, target.ErrMalformed) {
			t.Errorf("Canonical(%q): %v, want ErrMalformed", path, err)
		}
	}
	var ambiguous *target.AmbiguityError
	if _, err := target.Canonical("//a;b", exchange.PathParameters); !errors.As(err, &ambiguous) || ambiguous.Ambiguity != exchange.EmptySegments|exchange.PathParameters {
		t.Errorf("Canonical: %v, want every ambiguity", err)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, rows := range paths() {
		for _, r := range rows {
			path, _, _ := strings.Cut(r.raw, "?")
			f.Add(path, uint8(r.allow))
		}
	}
	f.Fuzz(func(t *testing.T, path string, bits uint8) {
		allow := exchange.Ambiguity(bits) & all
		got, err := target.Canonical(path, allow)
		if err != nil {
			var ambiguous *target.AmbiguityError
			if !errors.Is(err, target.ErrMalformed) && !errors.As(err, &ambiguous) {
				t.Errorf("Canonical(%q): %v is not ours", path, err)
			}
			if got != (target.Result{}) {
				t.Errorf("Canonical(%q): a result beside an error: %+v", path, got)
			}
			return
		}
		if got.Ambiguity&^allow != 0 {
			t.Errorf("Canonical(%q): resolved %q, allowed %q", path, got.Ambiguity, allow)
		}
		again, err := target.Canonical(got.Path, allow&exchange.EncodedSlash)
		if err != nil || again.Path != got.Path || again.UpstreamPath != got.Path {
			t.Errorf("Canonical(%q) = %q, again %q, %v", path, got.Path, again.Path, err)
		}
		upstream, err := target.Canonical(got.UpstreamPath, allow)
		if err != nil || upstream.Path != got.Path || upstream.UpstreamPath != got.UpstreamPath {
			t.Errorf("Canonical(%q): upstream %q reads %q, %v; judged %q", path, got.UpstreamPath, upstream.Path, err, got.Path)
		}
		for _, path := range []string{got.Path, got.UpstreamPath} {
			for segment := range strings.SplitSeq(strings.ReplaceAll(path, "%2F", "/"), "/") {
				name, _, _ := strings.Cut(strings.ReplaceAll(segment, "%3B", ";"), ";")
				if name == "." || name == ".." {
					t.Errorf("Canonical(%q): %q holds a dot segment for who decodes semicolons first", path, segment)
				}
			}
		}
		decoded, err := url.PathUnescape(got.Path)
		if err != nil {
			t.Errorf("Canonical(%q) = %q: %v", path, got.Path, err)
		}
		if sent, err := url.PathUnescape(path); got.Ambiguity&^exchange.EncodedSlash == 0 && (err != nil || sent != decoded) {
			t.Errorf("Canonical(%q) decodes to %q, sent was %q", path, decoded, sent)
		}
	})
}
