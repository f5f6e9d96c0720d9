package pathpattern

import "strings"

// Foreign returns what the first wildcard of other programs in match means here, and
// what to write in its place; "" when there is none. match is a pattern of
// [net/http.ServeMux], in which an encoded character is never taken for one.
func Foreign(match string) (costs, mend string) {
	path := match[max(strings.IndexByte(match, '/'), 0):]
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case strings.HasPrefix(segment, "{"): // ours
		case strings.HasPrefix(segment, ":") && len(segment) > 1:
			return `":" before a name is no wildcard here, and stands for itself`, "write {id} for one segment, or %3A where it is meant"
		case strings.Contains(segment, "*"):
			return `"*" is no wildcard here, and stands for itself`, "end the path in / for all that is below, such as /orders/, write {id} for one segment, or %2A where it is meant"
		}
	}
	return "", ""
}
