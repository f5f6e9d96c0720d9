package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// maxConditions bounds the conditions of a route.
const maxConditions = 64

func (l *loader) checkConditions(field string, conditions []Condition) {
	if len(conditions) > maxConditions {
		l.reject(field, fmt.Sprintf("are %d, want at most %d", len(conditions), maxConditions), "")
		return
	}
	seen := map[string]bool{}
	for i := range conditions {
		at := fmt.Sprintf("%s[%d]", field, i)
		if l.failed(at) {
			continue
		}
		name := conditions[i].Name
		switch {
		case l.failed(at + ".name"):
		case name == "":
			l.reject(at, "has no name", "refusals call it by that")
		case !validName(name) || len(name) > 48:
			l.reject(at+".name", l.show(at+".name")+" is not a name", "use up to 48 lower case letters, digits and -")
		case seen[name]:
			l.reject(at+".name", "is that of an earlier condition", "")
		}
		seen[name] = true
		l.checkCondition(at, &conditions[i])
	}
}

func (l *loader) checkCondition(field string, c *Condition) {
	if len(c.Methods)+len(c.Paths)+len(c.Addresses)+len(c.Environments)+len(c.Owners)+len(c.Issuers)+len(c.Schemes)+len(c.Times) == 0 && c.CEL == "" {
		l.reject(field, "says nothing about requests", "name addresses, environments or the like")
	}
	for _, list := range []struct {
		name  string
		words []string
	}{
		{"methods", c.Methods},
		{"paths", c.Paths},
		{"addresses", c.Addresses},
		{"environments", c.Environments},
		{"owners", c.Owners},
		{"issuers", c.Issuers},
		{"schemes", c.Schemes},
	} {
		l.checkWords(field+"."+list.name, list.words)
	}
	l.eachWord(field+".methods", c.Methods, func(word string) bool { return validToken(word) && word == strings.ToUpper(word) }, "is not a method", "write it in upper case")
	l.eachWord(field+".paths", c.Paths, func(word string) bool { return strings.HasPrefix(word, "/") }, "is not a path", "write it like /orders/**")
	l.eachWord(field+".addresses", c.Addresses, validNetwork, "is neither an address nor a network", "write it like 10.0.0.0/8")
	l.eachWord(field+".schemes", c.Schemes, func(word string) bool { _, ok := l.config.Schemes[word]; return ok || word == DefaultScheme }, "is not the name of a scheme", "")
	l.checkExpression(field+".cel", c.CEL, false)
	for i := range c.Times {
		l.checkTimes(fmt.Sprintf("%s.times[%d]", field, i), &c.Times[i])
	}
}

func (l *loader) eachWord(field string, words []string, valid func(string) bool, problem, hint string) {
	for i, word := range words {
		if entry := fmt.Sprintf("%s[%d]", field, i); word != "" && !l.failed(entry) && !valid(word) {
			l.reject(entry, l.show(entry)+" "+problem, hint)
		}
	}
}

// validNetwork reports whether text is an address without zone, or a network
// without bits behind its length.
func validNetwork(text string) bool {
	if network, err := netip.ParsePrefix(text); err == nil {
		return network == network.Masked()
	}
	address, err := netip.ParseAddr(text)
	return err == nil && address.Zone() == ""
}

func (l *loader) checkTimes(field string, w *TimeWindow) {
	for name, text := range map[string]string{"from": w.From, "to": w.To} {
		if _, ok := ParseClock(text); !ok && !l.failed(field+"."+name) {
			l.reject(field+"."+name, "is not a time of day", "write it like 08:30; 24:00 is the end of the day")
		}
	}
	if _, err := time.LoadLocation(w.Zone); (err != nil || w.Zone == "Local") && !l.failed(field+".zone") {
		l.reject(field+".zone", "is not a time zone", "write it like Europe/Berlin")
	}
	if w.From == w.To && !l.failed(field+".to") {
		l.reject(field, "begins when it ends", "")
	}
}

// ParseClock reads HH:MM, 00:00 to 24:00, as the time since midnight.
func ParseClock(text string) (time.Duration, bool) {
	if text == "24:00" {
		return 24 * time.Hour, true
	}
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, false
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, true
}
