package keyservice

import (
	"context"
	"net/http"
	"time"

	"github.com/warder-dev/warder/audit"
)

// DocumentDrift is what an OpenAPI document and the traffic of the node that answers do
// not agree about, since it began.
type DocumentDrift struct {
	Name       string    `json:"name" example:"orders"`
	Operations int       `json:"operations" example:"12"`
	Since      time.Time `json:"since" doc:"from when on it is served"`
	Problem    string    `json:"problem,omitempty" doc:"why the last reading changed nothing"`
	Held       []string  `json:"held,omitempty" nullable:"false" doc:"what a changed document asks for less, which waits to be confirmed"`

	Changed  []DocumentChange `json:"changed,omitempty" nullable:"false" doc:"what the document that waits, or the last that was put in place of another, says of parameters and bodies in another way"`
	Warnings []string         `json:"warnings,omitempty" nullable:"false"`

	NeverSeen       []string         `json:"never_seen" nullable:"false" doc:"declared operations that nobody called"`
	Invalid         []DocumentCounts `json:"invalid" nullable:"false" doc:"operations with requests that were refused, or would have been"`
	Undeclared      []DocumentCounts `json:"undeclared" nullable:"false" doc:"the most frequent first"`
	UndeclaredOther uint64           `json:"undeclared_other" doc:"of more shapes than are told apart" example:"0"`
}

// DocumentChange is what an operation takes in another way than before.
type DocumentChange struct {
	Operation string `json:"operation" doc:"method and path" example:"GET /orders"`
	Where     string `json:"where" example:"query limit"`
	What      string `json:"what" example:"takes string, it was integer"`
	Less      bool   `json:"less" doc:"requests may pass that were refused" example:"true"`
}

// DocumentCounts is an operation, or the shape of a path, with a number of requests.
type DocumentCounts struct {
	What  string `json:"what" example:"GET /orders"`
	Times uint64 `json:"times" example:"3"`
}

// OpenAPIDrift is that of each document.
type OpenAPIDrift struct {
	Documents []DocumentDrift `json:"documents" nullable:"false"`
}

// DocumentConfirmed is what was confirmed of a document.
type DocumentConfirmed struct {
	Name string   `json:"name" example:"orders"`
	Less []string `json:"less" nullable:"false" doc:"what it asks for less than before" example:"[\"GET /orders asks for less security\"]"`
}

// DocumentPath is the parameter of operations on one document.
type DocumentPath struct {
	Name string `path:"name" doc:"of the document" pattern:"^[a-z0-9_-]+$" patternDescription:"lower case letters, digits, _ and -" maxLength:"64" example:"orders"`
}

func (s *Service) openapiDrift(_ context.Context, _ *caller, _ *struct{}) (*answer[OpenAPIDrift], error) {
	r, err := s.running()
	if err != nil {
		return nil, err
	}
	return &answer[OpenAPIDrift]{Body: OpenAPIDrift{Documents: r.Drift()}}, nil
}

func (s *Service) confirmDocument(ctx context.Context, c *caller, in *DocumentPath) (*answer[DocumentConfirmed], error) {
	r, err := s.running()
	if err != nil {
		return nil, err
	}
	less, err := r.Confirm(in.Name, s.noting(ctx, c, "confirm", audit.KindDocument, in.Name))
	return ran(DocumentConfirmed{Name: in.Name, Less: append([]string{}, less...)}, err)
}

// addDocuments registers the operations on OpenAPI documents.
func (s *Service) addDocuments() {
	const tag = "running"
	register(s, endpoint{id: "openapiDrift", method: http.MethodGet, path: "/v1/openapi/drift", tag: tag, right: ReadSettings, summary: "Show where OpenAPI documents and the requests of this node do not agree"}, s.openapiDrift)
	register(s, endpoint{
		id: "confirmDocument", method: http.MethodPost, path: "/v1/openapi/{name}:confirm", tag: tag, right: WriteSettings, also: []int{404, 409},
		summary: "Serve a changed document that asks for less than before", description: "As it was read and listed; on this node.",
	}, s.confirmDocument)
}
