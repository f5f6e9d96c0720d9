package config

import "strings"

// checkExpression reports what is wrong with the expression in field. An error may
// repeat a name of it: one that variables or a secret's file are part of is told without.
func (l *loader) checkExpression(field, expression string, text bool) {
	if expression == "" || l.compile == nil || l.failed(field) {
		return
	}
	err := l.compile(expression, text)
	switch o := l.origins[field]; {
	case err == nil:
	case o.substituted || likeSecret(o.raw):
		l.reject(field, "is no expression in CEL", "put the values in place and look again")
	default:
		l.reject(field, "is no expression in CEL: "+strings.ReplaceAll(strings.ReplaceAll(err.Error(), "celcond: ", ""), "\n", "; "), "")
	}
}
