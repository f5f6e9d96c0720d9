package acme

import "context"

// Await waits for a record as the solver of DNS-01 does, on a machine whose
// resolvers are system, and where zones' servers are at port.
func Await(ctx context.Context, p Propagation, system []string, port, name, value string) error {
	if p.Timeout == 0 {
		p.Timeout = defaultPropagation
	}
	l := &lookout{Propagation: p, system: func() ([]string, error) { return system, nil }, port: port}
	return l.await(ctx, name, value)
}
