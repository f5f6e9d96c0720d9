package config

import (
	"fmt"

	"github.com/warder-dev/warder/internal/pathpattern"
)

// wildcards tells of routes that are written in the patterns of other programs: a
// ServeMux takes "*" and ":id" for what the path itself says, and so no request ever
// gets there.
func (w *weaknesses) wildcards() {
	for i := range w.config.Routes {
		if costs, mend := pathpattern.Foreign(w.config.Routes[i].Match); costs != "" {
			w.add(fmt.Sprintf("routes[%d].match", i), costs, mend)
		}
	}
}
