package attack

// ip are the cases of area IP: the client's address.
func ip() []Entry {
	inside := []Front{Library, Gateway}
	return []Entry{
		{ID: "IP-01", Sent: "every field that carries an address, from a peer that is not listed", Must: "the client is the peer", At: inside},
		{ID: "IP-02", Sent: "invented entries in front of a chain of listed proxies", Must: "the first address from the right that is not listed is the client", At: inside},
		{ID: "IP-03", Sent: "the list on several lines", Must: "one list, in the order of the lines", At: inside},
		{ID: "IP-04", Sent: "words, ports, brackets, quotes, empty entries, hundreds of entries, kilobytes", Must: "read where a standard allows it; where nothing can be read and it decides, the last listed hop is the client, and marked doubtful", At: inside},
		{ID: "IP-05", Sent: "IPv4 addresses written as IPv6, as peer, as entry, in the list of proxies", Must: "the same as the IPv4 address, everywhere", At: inside},
		{ID: "IP-06", Sent: "addresses with zones", Must: "no address in a field", At: inside},
		{ID: "IP-07", Sent: "IPv4 addresses with leading zeros, missing parts, hexadecimal digits, a dot at the end", Must: "no address", At: inside},
		{ID: "IP-08", Sent: "Forwarded with quotes, escapes, several elements, a parameter twice, hidden names; X-Forwarded-For beside it", Must: "read as its standard says; only the configured field counts", At: inside},
		{ID: "IP-09", Sent: "a configuration that trusts every address, whole or in parts", Must: "refused, unless it says that this is insecure", At: []Front{Library, CLI}},
		{ID: "IP-10", Sent: "forwarded fields over a Unix socket", Must: "believed by word only", At: inside},
		{ID: "IP-11", Sent: "65,536 addresses of one /64", Must: "one subject for limits", At: inside},
	}
}
