package jwt

import "github.com/warder-dev/warder/openapi"

// describe returns the scheme in OpenAPI's words.
func describe(cfg *Config) openapi.SecurityScheme {
	const text = "A JSON Web Token."
	switch {
	case cfg.Flows != nil:
		return openapi.SecurityScheme{Type: openapi.TypeOAuth2, Description: text, Flows: cfg.Flows}
	case cfg.DescribeOpenIDConnect && len(cfg.Issuers) == 1:
		return openapi.SecurityScheme{Type: openapi.TypeOpenIDConnect, Description: text, OpenIDConnectURL: metadataURL(cfg.Issuers[0].Issuer)}
	default:
		return openapi.SecurityScheme{Type: openapi.TypeHTTP, Scheme: "bearer", BearerFormat: "JWT", Description: text}
	}
}

// Describe adds the scheme to doc: the value that guards is the value that
// documents.
func (s *Scheme) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(s.name, s.describe)
}
