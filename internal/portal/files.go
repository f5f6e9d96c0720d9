package portal

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
)

//go:embed static/*
var embedded embed.FS

// file serves a file of the pages, which a browser asks for again each time: there are
// three, and they are small.
func (s *Site) file(name, kind string) error {
	text, err := fs.ReadFile(embedded, "static/"+name)
	if err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	s.handle("GET /"+name, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-cache")
		_, _ = w.Write(text) // the browser may be gone
	})
	return nil
}
