package attack

// csrf are the cases of area CSRF: writing from other sites.
func csrf() []Entry {
	return []Entry{}
}
