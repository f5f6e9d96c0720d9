package problem

import (
	"strconv"
	"strings"
)

// maxAccept is how much of Accept is read, in bytes: more decides nothing.
const maxAccept = 1024

// prefersText reports whether Accept (RFC 9110, section 12.5.1) wants plain
// text more than JSON. Equal wishes, an absent field and an unreadable one get
// JSON.
func prefersText(accept []string) bool {
	var text, jsonQ quality
	for _, field := range accept {
		if len(field) > maxAccept {
			return false
		}
		for entry := range strings.SplitSeq(field, ",") {
			mediaType, q := parseEntry(entry)
			switch mediaType {
			case "text/plain":
				text.offer(q, 2)
			case "text/*":
				text.offer(q, 1)
			case "application/problem+json", "application/json":
				jsonQ.offer(q, 2)
			case "application/*":
				jsonQ.offer(q, 1)
			case "*/*":
				text.offer(q, 0)
				jsonQ.offer(q, 0)
			}
		}
	}
	return text.q > jsonQ.q
}

// quality is the q of the most specific entry seen so far.
type quality struct {
	q           float64
	specificity int
}

func (b *quality) offer(q float64, specificity int) {
	if specificity > b.specificity || specificity == b.specificity && q > b.q {
		b.q, b.specificity = q, specificity
	}
}

// parseEntry reads `type/subtype;q=0.5`; an unreadable weight is 0.
func parseEntry(entry string) (mediaType string, q float64) {
	mediaType, params, _ := strings.Cut(entry, ";")
	q = 1
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		parsed, err := strconv.ParseFloat(value, 64)
		if err != nil || !(parsed >= 0 && parsed <= 1) { // NaN fails both
			return strings.ToLower(strings.TrimSpace(mediaType)), 0
		}
		q = parsed
	}
	return strings.ToLower(strings.TrimSpace(mediaType)), q
}
