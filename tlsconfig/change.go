package tlsconfig

import (
	"errors"
	"slices"
)

// A Change is what [Source.Prepare] has read.
type Change struct {
	source    *Source
	cfg       Config
	pairs     []*loaded
	clientCAs *loadedCAs
}

// Prepare reads what s needs to go on with other pairs of files, and to want other
// certificates of clients, as [Config] has them. It reports everything that is wrong
// at once, and changes nothing: that is for [Change.Apply], so that a program can
// take over the rest of its configuration with it, or nothing. Files that s follows
// already are not read again: what is in use of them stays in use.
func (s *Source) Prepare(certificates []Files, clients ClientCerts) (*Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Change{source: s, cfg: s.cfg}
	c.cfg.Certificates, c.cfg.ClientCerts = slices.Clone(certificates), clients
	c.cfg.ClientCerts.Names = slices.Clone(clients.Names)
	if err := c.cfg.complete(); err != nil {
		return nil, err
	}
	var errs []error
	for _, files := range certificates {
		if i := slices.IndexFunc(s.pairs, func(l *loaded) bool { return l.files == files }); i >= 0 {
			c.pairs = append(c.pairs, s.pairs[i])
			continue
		}
		l := &loaded{files: files}
		errs = append(errs, s.load(l))
		c.pairs = append(c.pairs, l)
	}
	switch {
	case !clients.wanted():
	case s.clientCAs != nil && s.clientCAs.file == clients.CAFile:
		c.clientCAs = s.clientCAs
	default:
		c.clientCAs = &loadedCAs{file: clients.CAFile}
		errs = append(errs, c.clientCAs.load())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// Apply puts c in use, from the next handshake on. Connections that are open go on;
// [Source.Holds] tells which of them would be made no more.
func (c *Change) Apply() {
	s := c.source
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg, s.pairs, s.clientCAs = c.cfg, c.pairs, c.clientCAs
	s.publish()
}
