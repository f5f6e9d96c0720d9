//go:build unix

package leak

import (
	"os"
	"syscall"
)

// openFlags read a file that was a regular one a moment ago: if it has become a
// pipe meanwhile, nobody waits for its other end.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_NOFOLLOW
