package attack

// multi are the cases of area MULTI: several schemes.
func multi() []Entry {
	return []Entry{}
}
