package contract

import (
	"net/url"
	"slices"
	"strings"

	"github.com/warder-dev/warder/internal/pathpattern"
)

// maxReadings is in how many ways a segment may be divided among its parameters.
const maxReadings = 100

// A spot is where a parameter is in a path.
type spot struct {
	segment int
	part    int                  // of the segment's parameters
	within  *pathpattern.Segment // nil for a whole one
}

// split makes the spots and the pattern of o.
func (o *Operation) split() (problem string) {
	rest, rooted := strings.CutPrefix(o.Path, "/")
	if !rooted {
		return "does not begin with /"
	}
	if len(o.Path) > maxPath {
		return "is longer than " + itoa(maxPath) + " bytes"
	}
	var pattern strings.Builder
	segments := strings.Split(rest, "/")
	o.spots = map[string]spot{}
	for i, segment := range segments {
		pattern.WriteByte('/')
		switch {
		case segment == "" && i == len(segments)-1:
			pattern.WriteString("{$}")
			continue
		case segment == "" || segment == "." || segment == "..":
			return "has an empty segment or a dot segment, which no request has"
		}
		text, problem := o.segment(i, segment)
		if problem != "" {
			return problem
		}
		pattern.WriteString(text)
	}
	o.Pattern = pattern.String()
	return ""
}

// segment notes the parameters of one segment, and returns it as a pattern has it.
func (o *Operation) segment(i int, segment string) (text, problem string) {
	texts, names, err := pathpattern.Cut(segment)
	if err != nil {
		return "", "has a brace that opens or closes no parameter"
	}
	for j, one := range texts {
		if strings.ContainsAny(one, "?#;\\") {
			return "", "has a query, a fragment, a path parameter or a backslash in it"
		}
		if texts[j], err = url.PathUnescape(one); err != nil || strings.Contains(texts[j], "/") {
			return "", "has a segment that is not percent-encoded as a path is"
		}
	}
	if len(names) == 0 {
		return url.PathEscape(texts[0]), ""
	}
	within, err := pathpattern.Between(texts...)
	if err != nil {
		return "", err.Error()
	}
	whole := !within.Mixed()
	var pattern strings.Builder
	for j, name := range names {
		if _, twice := o.spots[name]; name == "" || twice {
			return "", "has a parameter without a name, or the same one twice"
		}
		one := spot{segment: i, part: j}
		if !whole {
			one.within = &within
		}
		o.spots[name] = one
		pattern.WriteString(url.PathEscape(texts[j]) + "{p" + itoa(i))
		if !whole {
			pattern.WriteString("_" + itoa(j))
		}
		pattern.WriteString("}")
	}
	return pattern.String() + url.PathEscape(texts[len(names)]), ""
}

// inPath judges a parameter of the path. Where frameworks divide a segment among its
// parameters in different ways, each way must be right.
func (e *evaluation) inPath(p *parameter, segments []string) {
	if p.spot.segment >= len(segments) {
		e.parameter(p, value{})
		return
	}
	text := segments[p.spot.segment]
	if p.spot.within == nil {
		e.parameter(p, value{given: true, texts: []string{text}, decode: unescapePath})
		return
	}
	ways, few := p.spot.within.Splits(text, maxReadings)
	if !few {
		e.wrong(nil, "can be read in too many ways")
		return
	}
	if len(ways) == 0 {
		e.parameter(p, value{})
	}
	var judged []string
	for _, way := range ways {
		before := len(e.faults)
		if one := way[p.spot.part]; !slices.Contains(judged, one) {
			judged = append(judged, one)
			e.parameter(p, value{given: true, texts: []string{one}, decode: unescapePath})
		}
		if len(e.faults) > before {
			return
		}
	}
}
