package hexadecimal_test

import (
	"net/url"
	"strconv"
	"testing"

	"github.com/warder-dev/warder/internal/hexadecimal"
)

func TestDigit(t *testing.T) {
	for i := range 256 {
		b := byte(i)
		want, err := strconv.ParseUint(string(rune(b)), 16, 8)
		if err != nil || b >= 0x80 {
			want = 16
		}
		if got := hexadecimal.Digit(b); uint64(got) != want {
			t.Errorf("Digit(%q) = %d, want %d", b, got, want)
		}
	}
}

func FuzzOctet(f *testing.F) {
	for _, text := range []string{"a", "%41b", "%4", "%", "%zz", "%Ff", "ü"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" {
			return
		}
		b, n, ok := hexadecimal.Octet(text)
		if !ok {
			if _, err := url.PathUnescape(text[:min(3, len(text))]); err == nil {
				t.Errorf("%q is broken here, and not for net/url", text)
			}
			return
		}
		if plain, err := url.PathUnescape(text[:n]); err != nil || plain != string([]byte{b}) {
			t.Errorf("Octet(%q) = %q, %d; net/url says %q, %v", text, b, n, plain, err)
		}
	})
}
