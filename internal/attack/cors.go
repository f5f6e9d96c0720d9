package attack

// cors are the cases of area CORS: reading from other origins.
func cors() []Entry {
	return []Entry{}
}
