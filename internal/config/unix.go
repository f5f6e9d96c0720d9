package config

import (
	"path"
	"strings"
)

// maxSocketPath is the longest path of a Unix socket that every system takes, in
// bytes.
const maxSocketPath = 100

// UnixSocket returns the path of an address that is a Unix socket's: "unix:/path".
func UnixSocket(address string) (path string, ok bool) { return strings.CutPrefix(address, "unix:") }

// checkListen wants an address or the path of a Unix socket.
func (l *loader) checkListen() {
	c := l.config
	socket, ok := UnixSocket(c.Listen)
	switch {
	case !ok:
		l.checkAddress("listen", c.Listen)
	case l.failed("listen"):
	case !path.IsAbs(socket) || path.Clean(socket) != socket || strings.ContainsRune(socket, 0):
		l.reject("listen", "is no path of a Unix socket", "write it like unix:/run/warder/warder.sock, without . and ..")
	case len(socket) > maxSocketPath:
		l.reject("listen", "the path of the socket is longer than 100 bytes", "")
	case c.TLS.HTTP3:
		l.reject("tls.http3", "needs a port, and listen is a Unix socket", "")
	}
}
