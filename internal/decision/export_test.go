package decision

import (
	"net/http"
	"net/netip"
)

// LastAddress is lastAddress.
func LastAddress(list string) (netip.Addr, error) { return lastAddress(list) }

// Fields are the proxy's own: method, target, scheme, host, client and, where
// there is one, upgrade.
func (d *Dialect) Fields() []string {
	fields := []string{d.method, d.target, d.scheme, d.host, d.client}
	if d.upgrade != "" {
		fields = append(fields, d.upgrade)
	}
	return fields
}

// Read is read.
func (d *Dialect) Read(r *http.Request) (*http.Request, error) { return d.read(r) }

// Status is status.
func (d *Dialect) Status(status int) int { return d.status(status) }
