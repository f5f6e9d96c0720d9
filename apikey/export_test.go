package apikey

// PathMatches reports whether the canonical path is one of the pattern's. The
// error says what is wrong with the pattern.
func PathMatches(pattern, path string) (bool, error) {
	p, err := parsePath(pattern)
	return err == nil && p.matches(path), err
}
