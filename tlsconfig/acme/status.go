package acme

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A NameStatus tells of one name.
type NameStatus struct {
	Name     string
	OnDemand bool
	NotAfter time.Time // end of the certificate in use; the zero Time for none
	Err      error     // why the last attempt to get or renew it failed; nil when it did not
}

// Status tells of every name, by name.
func (m *Manager) Status() []NameStatus {
	all := make([]NameStatus, 0, len(m.names))
	for _, n := range m.names {
		s := NameStatus{Name: n.name, OnDemand: n.onDemand, Err: n.failure()}
		if c, ok := m.cached(n.name); ok {
			s.NotAfter = c.Leaf.NotAfter
			if left := time.Until(s.NotAfter); s.Err == nil && left < c.Lifetime()/overdue {
				s.Err = fmt.Errorf("acme: %s: the renewal is overdue: the certificate ends at %s", n.name, s.NotAfter.UTC().Format(time.RFC3339))
			}
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b NameStatus) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// overdue is the part of its life at whose begin a certificate should have been
// renewed long ago: that happens when a third is left.
const overdue = 6

// Problems lists what is wrong now: failures, and names of Names without a
// certificate.
func (m *Manager) Problems() []error {
	var errs []error
	for _, s := range m.Status() {
		switch {
		case s.Err != nil:
			errs = append(errs, s.Err)
		case s.NotAfter.IsZero() && !s.OnDemand:
			errs = append(errs, fmt.Errorf("acme: %s: there is no certificate yet", s.Name))
		}
	}
	return errs
}

// Failures is how often no certificate could be got since New.
func (m *Manager) Failures() uint64 { return m.failures.Load() }

// maxError bounds what is kept and logged of an error, in bytes: the authority
// writes a part of it.
const maxError = 500

// bounded cuts the text of an error.
func bounded(err error) error {
	if text := err.Error(); len(text) > maxError {
		return errors.New(strings.ToValidUTF8(text[:maxError], "") + "...")
	}
	return err
}
