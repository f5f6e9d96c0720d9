package keyservice

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/warder-dev/warder/problem"
)

// A Fault names one parameter or member that is not taken.
type Fault struct {
	Field   string `json:"field" doc:"which one: a parameter, or the path of a member such as limits[0].count" example:"name"`
	Message string `json:"message" doc:"what is wanted instead" example:"want at most 128 bytes"`
}

// A Problem is problem details (RFC 9457) as the operations answer with them. It
// is what the document describes.
type Problem struct {
	Type      string  `json:"type" format:"uri" doc:"which kind of problem it is; programs may branch on it" example:"https://github.com/warder-dev/warder/blob/main/docs/reference/problems.md#invalid-input"`
	Title     string  `json:"title" example:"The request has what is not taken"`
	Status    int     `json:"status" example:"400"`
	Detail    string  `json:"detail,omitempty" doc:"how to mend the request" example:"See errors."`
	Errors    []Fault `json:"errors,omitempty" nullable:"false" doc:"what is not taken, one by one"`
	RequestID string  `json:"request_id,omitempty" doc:"what to quote in a report" example:"0JZ2Q8X0V5T7C"`
}

// A failure is the error of an operation. Its texts are constants or the names of
// fields, never a value of the request.
type failure struct {
	kind      problem.Type
	detail    string
	faults    []Fault
	header    http.Header
	requestID string
}

func fail(kind problem.Type, detail string) *failure { return &failure{kind: kind, detail: detail} }

// invalid refuses fields.
func invalid(faults ...Fault) *failure {
	return &failure{kind: problem.InvalidInput, detail: "errors names what is not taken. Nothing was changed.", faults: faults}
}

// Error implements error.
func (f *failure) Error() string {
	var text strings.Builder
	text.WriteString("keyservice: " + string(f.kind))
	for _, fault := range f.faults {
		text.WriteString("; " + fault.Field + ": " + fault.Message)
	}
	return text.String()
}

// GetStatus, ContentType, GetHeaders and MarshalJSON are how huma writes an error.
func (f *failure) GetStatus() int { return f.kind.Status() }

// ContentType is that of RFC 9457.
func (f *failure) ContentType(string) string { return "application/problem+json" }

// GetHeaders returns further response fields.
func (f *failure) GetHeaders() http.Header { return f.header }

// MarshalJSON writes the [Problem].
func (f *failure) MarshalJSON() ([]byte, error) {
	return json.Marshal(Problem{f.kind.URI(), f.kind.Title(), f.kind.Status(), f.detail, f.faults, f.requestID})
}

// fieldName is a name of the request's as a problem may repeat it: nothing long
// enough for a key or a token, and nothing that reads differently than it is.
func fieldName(name string) string {
	const most = 40
	if name == "" || len(name) > most || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	}) {
		return "(a name that is not repeated here)"
	}
	return name
}
