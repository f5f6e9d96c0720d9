package attack

// oas are the cases of area OAS: documents that are policy.
func oas() []Entry {
	return []Entry{
		{ID: "OAS-01", Sent: "references out of the document, references in a circle, a bomb of aliases", Must: "refused; nobody is asked, nothing is read"},
		{ID: "OAS-02", Sent: "a document that is read again, drops security, an operation or a scope, or judges less", Must: "the old policy stays until somebody confirms, and it is told"},
		{ID: "OAS-03", Sent: "a document that is away or empty at start, or broken later", Must: "no start; the last good one stays, and it is told"},
		{ID: "OAS-04", Sent: "paths beside parameters, methods that are not declared, base paths, security at every level", Must: "the most specific wins; 405; what the table says"},
	}
}
