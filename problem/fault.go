package problem

import "slices"

// A Fault is one thing that is wrong with what a client sent, for the member
// "errors" of a problem (RFC 9457, section 3.2). Like a problem it holds what the
// program or the operator's documents say, and nothing that the client chose.
type Fault struct {
	In      string `json:"in"`                // path, query, header, cookie or body
	Name    string `json:"name,omitempty"`    // of the parameter
	Pointer string `json:"pointer,omitempty"` // into the body, as URI fragment (RFC 6901, section 6)
	Detail  string `json:"detail"`            // what was expected
}

// WithFaults returns a copy of p that lists faults.
func (p *Problem) WithFaults(faults []Fault) *Problem {
	return &Problem{Type: p.Type, Detail: p.Detail, Header: p.Header.Clone(), Faults: slices.Clone(faults)}
}

// text is the fault in one line.
func (f *Fault) text() string {
	line := f.In
	if f.Name != "" {
		line += " " + f.Name
	}
	if f.Pointer != "" {
		line += " " + f.Pointer
	}
	return line + ": " + f.Detail
}
