package attack

// host are the cases of area HOST: trusted hosts.
func host() []Entry {
	return []Entry{}
}
