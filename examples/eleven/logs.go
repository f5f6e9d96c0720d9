package main

import (
	"errors"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/securityheaders"
)

// addLogs writes one record per request, of fields that are allowed: no header
// field, no query and no body is among them, so that there is nothing to filter.
// What is secret has the type secret.Text, which nothing prints. The response
// fields beside it keep a browser from taking data for a page.
func (s *service) addLogs() error {
	var errs [3]error
	s.ids, errs[0] = requestid.New(requestid.Config{})
	s.access, errs[1] = accesslog.New(accesslog.Config{Logger: s.log})
	s.headers, errs[2] = securityheaders.New(securityheaders.Config{})
	return errors.Join(errs[:]...)
}
