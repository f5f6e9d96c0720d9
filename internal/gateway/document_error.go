package gateway

import (
	"fmt"

	"github.com/warder-dev/warder/internal/config"
)

// A DocumentError says which OpenAPI document cannot be served, and why.
type DocumentError struct {
	Place   string // of the configuration: what its author wrote
	Fetched bool   // the document is behind a URL, so that the reason may lie there
	Err     error
}

func (e *DocumentError) Error() string { return e.Place + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *DocumentError) Unwrap() error { return e.Err }

// DocumentPlace is where the configuration names its document i: openapi, or the
// place within openapi_documents, which a short configuration does not have.
func DocumentPlace(cfg *config.Config, i int) string {
	if cfg.OpenAPI != "" && cfg.OpenAPI == cfg.OpenAPIDocuments[i].Document {
		return "openapi"
	}
	return fmt.Sprintf("openapi_documents[%d] %q", i, cfg.OpenAPIDocuments[i].Name)
}

// documentError is err of document i; nil for none.
func documentError(cfg *config.Config, i int, err error) error {
	if err == nil {
		return nil
	}
	_, fetched := cfg.OpenAPIDocuments[i].URL()
	return &DocumentError{DocumentPlace(cfg, i), fetched, err}
}
