package keyimport_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/keyimport"
)

// TestHostileYAML: what would grow without bound, or makes the converter panic, is
// an error that does not repeat the file.
func TestHostileYAML(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 9; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	for _, tt := range []struct{ name, text, want string }{
		{"aliases of aliases", "consumers: []\n" + bomb, "keyimport: line 3: an alias"},
		{"an alias of itself", "consumers: &b [*b]\n", "keyimport: line 1: an alias"},
		{"lists within each other", "consumers: " + strings.Repeat("[", 1<<17), "keyimport: line 1: more than 100 lists"},
		{"maps within each other", "consumers:\n  " + strings.Repeat("{a: ", 1<<17), "keyimport: line 2: more than 100 lists"},
		{"entries of entries", "consumers:\n" + strings.Repeat("- ", 1<<17), "keyimport: line 2: more than 100 lists"},
		{"no YAML", "? ", "neither JSON nor YAML"},
	} {
		var got error
		for _, err := range keyimport.Read("kong", strings.NewReader(tt.text)) {
			got = err
		}
		if got == nil || !strings.Contains(got.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, got, tt.want)
		}
	}
}
