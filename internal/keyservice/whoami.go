package keyservice

import (
	"context"
)

// Whoami is who asks.
type Whoami struct {
	Actor  string   `json:"actor" doc:"as the audit names you" example:"admin-token"`
	Role   string   `json:"role" example:"owner"`
	Owner  string   `json:"owner,omitempty" doc:"the owner that your token is bound to: you see nobody else's keys"`
	Rights []string `json:"rights" nullable:"false" example:"[\"keys:read\"]"`
	Scheme string   `json:"scheme" doc:"how you proved it" example:"adminToken"`
}

func (s *Service) whoami(_ context.Context, c *caller, _ *struct{}) (*answer[Whoami], error) {
	return &answer[Whoami]{Body: Whoami{
		Actor: c.actor(), Role: c.role(), Owner: c.bound(), Rights: append([]string{}, c.principal.Scopes.Names()...), Scheme: c.principal.Scheme,
	}}, nil
}
