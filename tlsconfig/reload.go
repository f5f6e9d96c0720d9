package tlsconfig

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

// follow reloads until ctx ends.
func (s *Source) follow(ctx context.Context) {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = s.Reload() //nolint:contextcheck // logged, which no context ends, and kept for Status
		}
	}
}

// Reload reads the files now. Each that changed for the better is in use when
// Reload returns; for each that did not, what was in use stays, and the error
// says why.
func (s *Source) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	changed := false
	for _, l := range s.pairs {
		before := l.at
		err := s.load(l)
		s.tell("certificate", l.files.Certificate, l.err, err, l.at != before)
		changed = changed || l.at != before
		l.err = err
		errs = append(errs, err)
	}
	if l := s.clientCAs; l != nil {
		before := l.at
		err := l.load()
		s.tell("client CAs", l.file, l.err, err, l.at != before)
		changed = changed || l.at != before
		l.err = err
		errs = append(errs, err)
	}
	if changed {
		s.publish()
	}
	return errors.Join(errs...)
}

// tell logs what is new about a file: a failure once for each cause.
func (s *Source) tell(what, file string, before, now error, replaced bool) {
	attrs := []slog.Attr{slog.String("what", what), slog.String("file", file)}
	ctx := context.Background()
	switch {
	case now != nil && (before == nil || before.Error() != now.Error()):
		s.cfg.Log.LogAttrs(ctx, slog.LevelError, "a TLS file cannot be used; what was loaded before stays", append(attrs, slog.String("error", now.Error()))...)
	case now == nil && replaced:
		s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "a TLS file was replaced", attrs...)
	case now == nil && before != nil:
		s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "a TLS file is as it was before", attrs...)
	}
}

// A CertificateStatus tells of one pair of files.
type CertificateStatus struct {
	Files    Files
	Names    []string  // that the certificate in use is for
	NotAfter time.Time // end of the certificate in use
	Loaded   time.Time // when it came in use
	Exposed  bool      // everybody on this machine may read or write the key file
	Err      error     // why the files as they are now are not in use; nil when they are
}

// A CAStatus tells of the file of client authorities.
type CAStatus struct {
	File   string
	Count  int // authorities in use
	Loaded time.Time
	Err    error // why the file as it is now is not in use; nil when it is
}

// A Status is what an operator wants to know: for probes, metrics and doctor.
type Status struct {
	Certificates []CertificateStatus // in the order of [Config.Certificates]
	ClientCAs    *CAStatus           // nil when no certificates of clients are wanted
}

// Err joins the reasons why files as they are now are not in use, and tells of
// certificates in use that ended before now. nil when all is well.
func (s Status) Err(now time.Time) error {
	var errs []error
	for _, c := range s.Certificates {
		if errs = append(errs, c.Err); now.After(c.NotAfter) {
			errs = append(errs, expired(c.Files.Certificate, c.NotAfter))
		}
	}
	if s.ClientCAs != nil {
		errs = append(errs, s.ClientCAs.Err)
	}
	return errors.Join(errs...)
}

// NotAfter is when the first of the certificates in use ends; the zero Time when
// there is none.
func (s Status) NotAfter() time.Time {
	var first time.Time
	for _, c := range s.Certificates {
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

// Status tells what is in use. It reads no file.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var status Status
	for _, l := range s.pairs {
		leaf := l.certificate.Leaf
		status.Certificates = append(status.Certificates, CertificateStatus{
			Files: l.files, Names: slices.Clone(leaf.DNSNames), NotAfter: leaf.NotAfter, Loaded: l.at, Exposed: l.exposed, Err: l.err,
		})
	}
	if l := s.clientCAs; l != nil {
		status.ClientCAs = &CAStatus{File: l.file, Count: len(l.all), Loaded: l.at, Err: l.err}
	}
	return status
}
