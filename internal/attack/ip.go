package attack

// ip are the cases of area IP: the client's address.
func ip() []Entry {
	return []Entry{}
}
