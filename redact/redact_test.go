package redact_test

import (
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/redact"
)

const (
	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	jwt    = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
	ours   = "wrd_live_4fT9sQ2xLmZ07kRb8NvYc3HpWd5GjXaE1uKoMi6ThVqSyB2nQz"
)

func random(r *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// shapes is the table of what is a secret by its looks and what is not.
func shapes() (secrets, plain []string) {
	secrets = []string{
		ours,
		"acme_test1_" + strings.Repeat("0", 50),
		"a_b_" + strings.Repeat("z", 50),
		"wrd_live_4fT9sQ2xLmZ07kRb8NvYc3HpWd5G",
		"wrd_live_" + strings.Repeat("a", 32),
		"k9_live_abcdefGHIJKLMNOPqrst", "k9_live_ABCDEFGHIJKLMNOPQRSt", "k9_live_AbcdefghijklmnopqrstUvwxyz", "old.k9_live_AbcdefghijklmnopqrstU",
		"sk" + "_live_4eC39HqLyjWDarjtT1", "ghp" + "_16C7e42F292c6912E7710c838347Ae178B4a", "glpat-" + "abcdefghij0123456789",
		"xoxb" + "-123456789012-abcdefABCDEF", "AKIA" + "ABCDEFGHIJKLMNOP", "AIza" + strings.Repeat("b", 35), "github_pat_" + "11ABCDEFG0abcdefghij",
		"whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		jwt, jwt[:strings.LastIndex(jwt, ".")+1], "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d",
		"d41d8cd98f00b204e9800998ecf8427e", "D41D8CD98F00B204E9800998ECF8427E",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"JBSWY3DPEHPK3PXPA4TCML6D", "k7f2m9x4q1z8b3w6n5v0", "dGhpcyBpcyBhIHNlY3JldA09X3",
		"Zm9v-YmFyYmF6cXV4-MTIzNDU2Nzg5MA",
		"0ujtsYcgvSTl8PAuAdqWYSMnLOv",
		strings.Repeat("x", 60),
	}
	plain = []string{
		"", "orders", "v1", "index.html", "users", "me", "well-known", "openid-configuration",
		"3fa85f64-5717-4562-b3fc-2c963f66afa6", "3FA85F64-5717-4562-B3FC-2C963F66AFA6", "order_3fa85f64-5717-4562-b3fc-2c963f66afa6",
		"12345678901234567890", "00000000000000000000000000000000000000000000001", "20240131T123456789Z",
		"2024-01-31T12:34:56.789012Z", "2024-01-31",
		"how-to-protect-an-api-with-keys-in-2026", "The-Quick-Brown-Fox-Jumps-Over-2-Lazy-Dogs",
		"my-api-7d9f8b6c5d-x2z4q", "deployment-7d9f8b6c5d-x2z4q",
		"getApplicationConfigurationServiceEndpoint", "pneumonoultramicroscopicsilicovolcanoconiosis",
		"internationalization", "INTERNATIONALIZATION", "customer_subscription_schedules_updated",
		"507f1f77bcf86cd799439011", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "e3b0c44298fc1c14",
		"kubernetes.io.v1beta1.flowcontrol", "main.8f3d2c1b.chunk.js", "com.example.orders.OrderService2Impl",
		"k9_live_Abcdefghijklmnopqrs", "k9_live_abcdefghijklmnopqrstuvwxyz", "customer_live_internationalization",
		"npm_install_dependencies_again", "sk_live_", "skeleton", "xoxb", "AKIAS", "ghp_short", "eyJ", "eyJhbGci",
		"a1B2c3D4e5F6", "AbC123xYz789", "invoice20240131123456789", "R2D2-C3PO", "Mozilla", "AppleWebKit",
		"organizations", "page=2", "%", "%zz", "caf%C3%A9", "%E6%97%A5%E6%9C%AC%E8%AA%9E", "%5Bmasked%5D",
	}
	return secrets, plain
}

// percent encodes every byte of s.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString("%" + string("0123456789ABCDEF"[s[i]>>4]) + string("0123456789ABCDEF"[s[i]&15]))
	}
	return b.String()
}

func TestPath(t *testing.T) {
	secrets, plain := shapes()
	for _, s := range secrets {
		for _, form := range []string{s, percent(s), percent(percent(s)), "key=" + s, "x:" + s, s + ";v=1", "a%20" + s, s + "%2Fb"} {
			if got, want := redact.Path("/v1/"+form+"/x"), "/v1/[masked]/x"; got != want {
				t.Errorf("Path of %q = %q, want %q", form, got, want)
			}
		}
	}
	for _, s := range plain {
		for _, path := range []string{"/v1/" + s + "/x", s, "/" + s} {
			if got := redact.Path(path); got != path {
				t.Errorf("Path(%q) = %q, want it unchanged", path, got)
			}
		}
	}
	if got, want := redact.Path("/a/"+ours+"/b/"+ours), "/a/[masked]/b/[masked]"; got != want {
		t.Errorf("two segments: %q, want %q", got, want)
	}
	if got, want := redact.Path("/Bearer%20abc123def4"), "/[masked]"; got != want {
		t.Errorf("encoded scheme: %q, want %q", got, want)
	}
}

func TestText(t *testing.T) {
	secrets, plain := shapes()
	for _, s := range secrets {
		for _, form := range []string{s, percent(s)} {
			for _, around := range [][2]string{{"", ""}, {"curl/8.0 (", ")"}, {`invalid key "`, `": no`}, {"https://h/p/", "/q?x=1"}, {"é", "é"}, {"a\n", "\x00b"}} {
				got, want := redact.Text(around[0]+form+around[1]), around[0]+redact.Mask+around[1]
				if got != want {
					t.Errorf("Text of %q = %q, want %q", around[0]+form+around[1], got, want)
				}
			}
		}
	}
	for _, s := range append(plain,
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
		`dial tcp 10.0.0.1:8000: connect: connection refused`, "read tcp [2001:db8::1]:443->[2001:db8::2]:51234: i/o timeout",
		"Bearer authentication is required", "Basic authentication", "http://[::1]:80/a@b", "https://user@host/", "token: unexpected end",
	) {
		if got := redact.Text(s); got != s {
			t.Errorf("Text(%q) = %q, want it unchanged", s, got)
		}
	}
}

func TestTextAfterACue(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"bearer", "Authorization: Bearer abc/def+12==, x", "Authorization: Bearer [masked], x"},
		{"bearer in lower case", "bearer  hunter22", "bearer  [masked]"},
		{"basic", "basic dXNlcjpwYXNz", "basic [masked]"},
		{"password of a driver", "host=db password=hunter2 user=a", "host=db password=[masked] user=a"},
		{"quoted password", "password='a b c' x", "password='[masked]' x"},
		{"query", "GET /x?access_token=abc&page=2", "GET /x?access_token=[masked]&page=2"},
		{"address of a store", "dial postgres://app:hunter2@db:5432/x: no", "dial postgres://[masked]@db:5432/x: no"},
		{"at sign in the user", "redis://a@b:secret@h/0", "redis://[masked]@h/0"},
		{"words after a colon stay", "http://host:80/ failed", "http://host:80/ failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := redact.Text(tt.in); got != tt.want {
				t.Errorf("Text(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// TestRandomTokens states how often a random token of a form is missed.
func TestRandomTokens(t *testing.T) {
	const hex, base32, base36 = "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghijklmnopqrstuvwxyz"
	tests := []struct {
		name, alphabet string
		n              int
		misses         int // at most, of 10,000
	}{
		{"base62 20", base62, 20, 60},
		{"base62 32", base62, 32, 20},
		{"base62 43", base62, 43, 10},
		{"base62 50", base62, 50, 0},
		{"base64url 43", base62 + "-_", 43, 120},
		{"base64url 86", base62 + "-_", 86, 20},
		{"hex 32", hex, 32, 0},
		{"base32 26", base32, 26, 600},
		{"base32 32", base32, 32, 400},
		{"base36 25", base36, 25, 200},
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, tt := range tests {
		misses := 0
		for range 10_000 {
			token := "/" + random(r, tt.alphabet, tt.n)
			if redact.Path(token) == token {
				misses++
			}
		}
		t.Logf("%s: %d of 10,000 missed", tt.name, misses)
		if misses > tt.misses {
			t.Errorf("%s: %d of 10,000 missed, want at most %d", tt.name, misses, tt.misses)
		}
	}
}

func TestLine(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "GET /orders", "GET /orders"},
		{"letters of the world", "Grüße 日本", "Grüße 日本"},
		{"line ends", "a\r\nb", `a\r\nb`},
		{"ANSI", "\x1b[31mred", `\x1b[31mred`},
		{"C1 control", "a\u009bb", `a\u009bb`},
		{"bidi", "a\u202eb\u2066c", `a\u202eb\u2066c`},
		{"separators", "a\u2028b\u2029c", `a\u2028b\u2029c`},
		{"zero width", "a\u200bb\ufeffc", `a\u200bb\ufeffc`},
		{"tag", "a\U000e0041", `a\U000e0041`},
		{"not UTF-8", "a\xff\xc0b", `a\xff\xc0b`},
		{"no-break space", "a\u00a0b", `a\u00a0b`},
		{"the replacement character itself", "a\ufffdb", "a\ufffdb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := redact.Line(tt.in); got != tt.want {
				t.Errorf("Line(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestNothingIsAllocatedOnThePass(t *testing.T) {
	path := "/v1/orders/3fa85f64-5717-4562-b3fc-2c963f66afa6/items/12345/caf%C3%A9"
	agent := "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
	tests := []struct {
		name string
		f    func()
	}{
		{"path", func() { redact.Path(path) }},
		{"text", func() { redact.Text(agent) }},
		{"line", func() { redact.Line(agent) }},
	}
	for _, tt := range tests {
		if got := testing.AllocsPerRun(200, tt.f); got != 0 {
			t.Errorf("%s: %v allocations, want 0", tt.name, got)
		}
	}
}

func seeds(f *testing.F) {
	f.Helper()
	secrets, plain := shapes()
	for _, s := range append(secrets, plain...) {
		f.Add("/v1/"+s, s)
		f.Add("Bearer "+s+"%", "pwd="+s)
		f.Add("x://"+s+":", "@"+s)
	}
}

// tail is the secret part of a key whose text is unlike every prefix.
const tail = "q9W8e7R6t5Y4u3I2o1P0a9S8d7F6g5H4j3K2l1Z0x9C8v7B6n5"

func FuzzPath(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, before, after string) {
		in := before + "wrd_live_" + tail + after
		got := redact.Path(in)
		if strings.Contains(got, tail) {
			t.Errorf("Path(%q) = %q shows the key", in, got)
		}
		if len(got) > len(in) {
			t.Errorf("Path(%q) = %q is longer", in, got)
		}
		if again := redact.Path(got); again != got {
			t.Errorf("Path twice of %q = %q, once %q", in, again, got)
		}
		if hidden := redact.Path(before + url.PathEscape(percent("wrd_live_"+tail))); strings.Contains(hidden, percent(tail)[3:]) {
			t.Errorf("Path shows an encoded key: %q", hidden)
		}
	})
}

func FuzzText(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, before, after string) {
		in := before + "wrd_live_" + tail + after
		got := redact.Text(in)
		if strings.Contains(got, tail) {
			t.Errorf("Text(%q) = %q shows the key", in, got)
		}
		if len(got) > 3*len(in) {
			t.Errorf("Text(%q) has %d bytes of %d", in, len(got), len(in))
		}
		if again := redact.Text(got); again != got {
			t.Errorf("Text twice of %q = %q, once %q", in, again, got)
		}
		if l := redact.Line(got); redact.Line(l) != l || len(l) > 4*len(got) || strings.ContainsAny(l, "\r\n\x1b\u202e\u2028") {
			t.Errorf("Line(%q) = %q", got, l)
		}
	})
}

func BenchmarkPath(b *testing.B) {
	for _, bb := range []struct{ name, path string }{
		{"short", "/v1/orders/12345"},
		{"uuid", "/v1/orders/3fa85f64-5717-4562-b3fc-2c963f66afa6/items"},
		{"encoded", "/v1/caf%C3%A9/12345"},
		{"masked", "/v1/keys/" + ours},
		{"8 KiB", "/" + strings.Repeat("a-", 4095)},
		{"8 KiB of percent", "/" + strings.Repeat("%25", 2730)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				redact.Path(bb.path)
			}
		})
	}
}

func BenchmarkText(b *testing.B) {
	agent := "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
	b.ReportAllocs()
	for b.Loop() {
		redact.Text(agent)
	}
}
