package attack

// jwt are the cases of area JWT: tokens.
func jwt() []Entry {
	return []Entry{}
}
