package password_test

import (
	"testing"

	"github.com/warder-dev/warder/session/password"
)

// TestWhoMayReadTheFile: root and the process itself, and nobody else. What an
// orchestrator mounts is root's, for a group that only the process is in.
func TestWhoMayReadTheFile(t *testing.T) {
	const root, own, other = 0, 65532, 1000
	for _, tt := range []struct {
		name           string
		mode           uint32
		uid, gid, euid int
		groups         []int
		want           bool
	}{
		{"its own", 0o600, own, own, own, []int{own}, true},
		{"its own, its group may read", 0o640, own, own, own, []int{own}, false},
		{"of another, its own group may read", 0o640, other, own, own, []int{own}, false},
		{"root's, as a volume of secrets has it", 0o440, root, own, own, []int{own}, true},
		{"root's, by a further group", 0o640, root, 2000, own, []int{own, 2000}, true},
		{"root's, of a group that the process is not in", 0o640, root, other, own, []int{own}, false},
		{"root's, of no known group", 0o640, root, own, own, nil, false},
		{"root's, its group may write", 0o660, root, own, own, []int{own}, false},
		{"root's, its group may run it", 0o650, root, own, own, []int{own}, false},
		{"root's, others may read", 0o444, root, own, own, []int{own}, false},
		{"root's, others may write", 0o442, root, own, own, []int{own}, false},
		{"root's, and root runs the process", 0o640, root, root, root, []int{root}, false},
	} {
		if got := password.Private(tt.mode, tt.uid, tt.gid, tt.euid, tt.groups); got != tt.want {
			t.Errorf("%s: private is %v", tt.name, got)
		}
	}
}
