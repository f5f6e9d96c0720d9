package config

import (
	"fmt"
	"strings"
)

// wildcards tells of routes that are written in the patterns of other programs: a
// ServeMux takes "*" and ":id" for what the path itself says, and so no request ever
// gets there.
func (w *weaknesses) wildcards() {
	for i := range w.config.Routes {
		if costs, mend := ForeignWildcard(w.config.Routes[i].Match); costs != "" {
			w.add(fmt.Sprintf("routes[%d].match", i), costs, mend)
		}
	}
}

// ForeignWildcard returns what the first wildcard of other programs in match means
// here, and what to write in its place; "" when there is none. match is a pattern of
// [net/http.ServeMux].
func ForeignWildcard(match string) (costs, mend string) {
	path := match[max(strings.IndexByte(match, '/'), 0):]
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case strings.HasPrefix(segment, "{"): // ours
		case strings.HasPrefix(segment, ":") && len(segment) > 1:
			return `":" before a name is no wildcard here, and stands for itself`, "write {id} for one segment"
		case strings.Contains(segment, "*"):
			return `"*" is no wildcard here, and stands for itself`, "end the path in / for all that is below, such as /orders/, or write {id} for one segment"
		}
	}
	return "", ""
}
