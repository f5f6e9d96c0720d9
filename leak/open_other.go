//go:build !unix

package leak

import "os"

// openFlags read a file.
const openFlags = os.O_RDONLY
