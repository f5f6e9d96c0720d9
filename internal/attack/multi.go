package attack

// multi are the cases of area MULTI: several schemes.
func multi() []Entry {
	return []Entry{
		{ID: "MULTI-07", Sent: "operations whose security is empty, missing, of an unknown scheme, or has an empty alternative", Must: "public by word only; the document's is inherited; start refused, and 503 where it was not; optional"},
	}
}
