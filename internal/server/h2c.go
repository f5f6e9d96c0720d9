package server

import "github.com/warder-dev/warder/internal/config"

// speaksH2C reports whether the listener of a server takes HTTP/2 without TLS: only one
// of the gateway's does, when it is told to.
func (p *program) speaksH2C(server string) bool {
	c := p.options.Config
	if server == "public" {
		return c.InsecureH2C
	}
	for name, l := range c.Listeners {
		if config.ListenerField(name) == server {
			return l.InsecureH2C
		}
	}
	return false
}
