package mtls

// Known returns of how many certificates s remembers who signed them.
func Known(s *Scheme) int {
	s.issuers.mu.RLock()
	defer s.issuers.mu.RUnlock()
	return len(s.issuers.known)
}
