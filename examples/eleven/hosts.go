package main

import "github.com/warder-dev/warder/trustedhost"

// addHosts answers to the service's own names only: no link or redirect is made
// from a name that somebody else chose, and no page reaches the service by
// rebinding its own name to it.
func (s *service) addHosts() (err error) {
	s.hosts, err = trustedhost.New(trustedhost.Config{Hosts: s.names})
	return err
}
