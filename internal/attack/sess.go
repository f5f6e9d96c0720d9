package attack

// sess are the cases of area SESS: sessions and login.
func sess() []Entry {
	return []Entry{}
}
