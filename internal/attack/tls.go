package attack

// tls are the cases of area TLS: transport.
func tls() []Entry {
	return []Entry{}
}
