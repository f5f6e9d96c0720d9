package contract

import (
	"cmp"
	"slices"
	"strings"
)

// What one comparison may take, and what is told of it.
const (
	maxComparisons = 100_000 // of schemas, for one operation
	maxChanges     = 50      // told of one operation
)

// A Change is one thing in which an operation takes something else than before.
type Change struct {
	Where string // "query limit", "body application/json #/count"; "*" in a pointer is any item or member
	What  string // "maximum is gone, it was 100"
	Less  bool   // requests may pass that were refused, by what the document asked of something that it declared before
}

// String is where and what.
func (c Change) String() string { return c.Where + " " + c.What }

// Changes compares what o takes with what before took, which is the same operation
// of an earlier document. openQuery is [Config.UnknownQuery].
//
// It lists what asks for less, and parameters and members that are new; what asks
// for more is not told. Where it cannot be shown that nothing passes which was
// refused, it is taken for less: a pattern that is another one, alternatives that
// were written anew. Names that are new are not less: who declares one says what it
// takes, as with a new operation.
func (o *Operation) Changes(before *Operation, openQuery bool) []Change {
	c := &comparison{schemas: newSchemas(), open: openQuery || before.openQuery}
	if !c.open && o.openQuery {
		c.add(inQuery, "takes parameters that are not declared", true)
	}
	c.open = openQuery || o.openQuery
	for _, was := range before.parameters {
		c.parameter(was, o.same(was))
	}
	for _, is := range o.parameters {
		if is.in == inQuery && !c.open && before.same(is) == nil {
			c.add(is.where(), "is new", false)
		}
	}
	c.bodies(before.body, o.body)
	if c.schemas.steps > maxComparisons {
		c.add("operation", "is too large to be compared", true)
	}
	return c.changes
}

// same returns o's parameter that p of another version was; nil for none. In paths
// that is the one at the same place, whatever its name.
func (o *Operation) same(p *parameter) *parameter {
	for _, one := range o.parameters {
		if one.in == p.in && (p.in == inPath && one.spot.segment == p.spot.segment && one.spot.part == p.spot.part || p.in != inPath && one.name == p.name) {
			return one
		}
	}
	return nil
}

func (p *parameter) where() string { return p.in + " " + shorten(p.name) }

// A comparison collects the changes of one operation.
type comparison struct {
	schemas *schemas
	open    bool // parameters of the query that nobody declares pass now
	changes []Change
}

func (c *comparison) add(where, what string, less bool) {
	one := Change{where, what, less}
	if len(c.changes) < maxChanges && !slices.Contains(c.changes, one) {
		c.changes = append(c.changes, one)
	}
	if less && len(c.changes) == maxChanges && !slices.ContainsFunc(c.changes, func(c Change) bool { return c.Less }) {
		c.changes[maxChanges-1] = one // what asks for less is never what is left out
	}
}

func (c *comparison) addAll(where string, reasons []reason) {
	for _, r := range reasons {
		c.add(strings.TrimSuffix(where+" #"+r.at, " #"), r.what, r.less)
	}
}

// parameter compares one that there was with what became of it; nil when it is
// gone.
func (c *comparison) parameter(was, is *parameter) {
	judged := was.json || was.schema != nil && len(c.schemas.differ(was.schema, anyText())) > 0
	switch {
	case is == nil && was.in == inQuery && !c.open:
		if was.required {
			c.add(was.where(), "is gone, it was required", true)
		}
		return
	case is == nil:
		if judged || was.required && was.in != inPath {
			c.add(was.where(), "is not declared any more: any text passes", true)
		}
		return
	}
	if was.required && !is.required {
		c.add(was.where(), "is not required any more", true)
	}
	if is.empty && !was.empty && judged {
		c.add(was.where(), "may be there without a value", true)
	}
	switch {
	case !judged:
	case was.json != is.json || is.kinds&(arrayType|objectType) != 0 && (was.style != is.style || was.explode != is.explode):
		c.add(was.where(), "is written in another way", true)
	default:
		reasons := c.schemas.differ(was.schema, is.schema)
		c.addAll(was.where(), slices.DeleteFunc(slices.Clone(reasons), func(r reason) bool {
			return !was.json && r.what == takesNull // no text stands for it
		}))
	}
}

const takesNull = "takes null"

// bodies compares the types of bodies, and each type's content.
func (c *comparison) bodies(was, is *body) {
	switch {
	case was != nil && was.required && (is == nil || !is.required):
		c.add(inBody, "is not required any more", true)
	case was == nil && is != nil:
		c.add(inBody, "is taken, there was to be none", true)
	}
	if was == nil || is == nil {
		return
	}
	for _, m := range was.media {
		if now := is.choose(m.major + "/" + m.minor); now != nil && m.stars() == 0 {
			c.content(m, now)
		}
	}
	for _, m := range is.media {
		i := slices.IndexFunc(was.media, func(old *media) bool {
			return (old.major == m.major || old.major == "*") && (old.minor == m.minor || old.minor == "*")
		})
		if i < 0 {
			c.add(m.where(), "is taken, it was refused", true)
			continue
		}
		old := was.media[i]
		if m.stars() == 0 {
			old = was.choose(m.major + "/" + m.minor)
		}
		c.content(old, m)
	}
}

func (m *media) where() string { return inBody + " " + m.major + "/" + m.minor }

// content compares how bodies of one type are judged.
func (c *comparison) content(was, is *media) {
	if was.schema != nil {
		c.addAll(is.where(), c.schemas.differ(was.schema, is.schema))
	}
	for _, name := range sorted(was.members) {
		old, now := was.members[name], is.members[name]
		if now != nil && (old.json != now.json || old.style != now.style || old.explode != now.explode) {
			c.add(is.where()+" #"+child("", shorten(name)), "is written in another way", true)
		}
	}
}

// anyText is the schema of what a parameter can be at least: any text.
func anyText() *schema {
	s := unbounded()
	s.types, s.kinds = stringType, stringType
	return s
}

// unbounded is the schema that everything passes.
func unbounded() *schema {
	return &schema{
		types: anyType, kinds: anyType, minLength: -1, maxLength: -1, minItems: -1, maxItems: -1, minContains: -1, maxContains: -1, minProperties: -1, maxProperties: -1,
	}
}

// A reason is why a value may pass that was refused.
type reason struct {
	at   string // JSON Pointer below the schemas that are compared
	what string
	less bool
}

// below puts reasons under a member or an item.
func below(name string, reasons []reason) []reason {
	all := make([]reason, len(reasons))
	for i, r := range reasons {
		r.at = child("", shorten(name)) + r.at
		all[i] = r
	}
	return all
}

func less(what string) []reason { return []reason{{what: what, less: true}} }

// implied reports whether reasons hold nothing that asks for less.
func implied(reasons []reason) bool {
	return !slices.ContainsFunc(reasons, func(r reason) bool { return r.less })
}

// gone says that a bound is another one.
func gone(name, was, is string) []reason {
	return less(name + " is " + cmp.Or(is, "gone") + ", it was " + was)
}
