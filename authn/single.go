package authn

// Single reports whether each alternative is one scheme, or none: then whoever is
// proved is proved by that alone, and nothing else has an end that counts.
func (s *Stage) Single() bool {
	for i := range s.alternatives {
		if len(s.alternatives[i].needs) > 1 {
			return false
		}
	}
	return true
}
