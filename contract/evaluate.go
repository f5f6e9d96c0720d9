package contract

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/warder-dev/warder/problem"
)

// maxSteps bounds one judgement, maxFaults how much of it a client is told.
const (
	maxSteps  = 200_000
	maxFaults = 8
)

// A blob is a file of a multipart form, or a part of a type that is no text. Many
// frameworks make a text of it all the same, so that it keeps to what the schema
// says of texts.
type blob struct{ text string }

// A path leads to the value that is judged.
type path struct {
	parent *path
	name   string
}

// in returns the path of a member of what is at p; nobody asks for it while e is
// quiet.
func (e *evaluation) in(p *path, name string) *path {
	if e.quiet > 0 {
		return nil
	}
	return &path{p, name}
}

// item returns the path of an item.
func (e *evaluation) item(p *path, i int) *path {
	if e.quiet > 0 {
		return nil
	}
	return &path{p, itoa(i)}
}

// pointer is the JSON Pointer of p as URI fragment. Only what the document names,
// and indices, are in it: a name that the client chose ends it.
func (p *path) pointer() string {
	if p == nil {
		return "#"
	}
	return child(p.parent.pointer(), p.name)
}

// An evaluation is one judgement of a value by a schema.
type evaluation struct {
	steps  int
	faults []problem.Fault
	fault  problem.Fault // where faults are: In and Name
	quiet  int           // within alternatives, whose faults are nobody's
}

// tooMuch reports whether the judgement took too long.
func (e *evaluation) tooMuch() bool { return e.steps > maxSteps }

// wrong notes a fault and returns false.
func (e *evaluation) wrong(at *path, detail string) bool {
	if e.quiet > 0 || len(e.faults) >= maxFaults {
		return false
	}
	f := e.fault
	f.Detail = detail
	if f.In == inBody || at != nil {
		f.Pointer = at.pointer()
	}
	e.faults = append(e.faults, f)
	return false
}

// A tracker notes what members and items were judged, for those that ask for the
// rest.
type tracker struct {
	members map[string]struct{}
	items   int // the first ones
	every   bool
	some    map[int]struct{}
}

func (t *tracker) join(o *tracker) {
	if t == nil || o == nil {
		return
	}
	t.every = t.every || o.every
	t.items = max(t.items, o.items)
	for name := range o.members {
		t.member(name)
	}
	for i := range o.some {
		t.item(i)
	}
}

func (t *tracker) member(name string) {
	if t == nil {
		return
	}
	if t.members == nil {
		t.members = map[string]struct{}{}
	}
	t.members[name] = struct{}{}
}

func (t *tracker) item(i int) {
	if t == nil {
		return
	}
	if t.some == nil {
		t.some = map[int]struct{}{}
	}
	t.some[i] = struct{}{}
}

// judge reports whether v is as s says. t may be nil.
func (e *evaluation) judge(s *schema, v any, at *path, t *tracker) bool {
	if e.steps++; e.tooMuch() {
		return false
	}
	if v == nil && s.nullable {
		return true
	}
	if s.never {
		return e.wrong(at, "nothing may be here")
	}
	if t == nil && (s.unevaluatedItems != nil || s.unevaluatedProperties != nil) {
		t = new(tracker)
	}
	if typeOfValue(v)&s.types == 0 {
		return e.wrong(at, "want "+s.types.String())
	}
	ok := e.one(s, v, at)
	switch v := v.(type) {
	case *number:
		ok = e.number(s, v, at) && ok
	case string:
		ok = e.text(s, v, at) && ok
	case blob:
		ok = e.text(s, v.text, at) && ok
	case []any:
		ok = e.array(s, v, at, t) && ok
	case map[string]any:
		ok = e.object(s, v, at, t) && ok
	}
	if ok = e.combined(s, v, at, t) && ok; !ok {
		return false
	}
	return e.rest(s, v, at, t)
}

// check judges a value as a whole: at first without a note of where it is, and
// once more for the faults when it is not as s says.
func (e *evaluation) check(s *schema, v any) {
	e.quiet++
	ok := e.judge(s, v, nil, nil)
	e.quiet--
	if ok || e.tooMuch() {
		return
	}
	before := len(e.faults)
	e.steps = 0
	e.judge(s, v, nil, nil)
	if len(e.faults) == before {
		e.wrong(nil, "is not what the document says")
	}
}

// one judges by enum and const.
func (e *evaluation) one(s *schema, v any, at *path) bool {
	if s.enum == nil {
		return true
	}
	if _, isBlob := v.(blob); isBlob {
		return e.wrong(at, "is none of the values that are allowed")
	}
	text := canonical(v)
	e.steps += len(text) / 64
	if _, ok := s.enum[text]; !ok {
		return e.wrong(at, "is none of the values that are allowed")
	}
	return true
}

func (e *evaluation) number(s *schema, n *number, at *path) bool {
	switch {
	case s.minimum != nil && n.cmp(s.minimum) < 0:
		return e.wrong(at, "is below "+decimal(s.minimum))
	case s.maximum != nil && n.cmp(s.maximum) > 0:
		return e.wrong(at, "is above "+decimal(s.maximum))
	case s.above != nil && n.cmp(s.above) <= 0:
		return e.wrong(at, "is not above "+decimal(s.above))
	case s.below != nil && n.cmp(s.below) >= 0:
		return e.wrong(at, "is not below "+decimal(s.below))
	case s.multiple != nil && !new(big.Rat).Quo(n.rat(), s.multiple.rat()).IsInt():
		return e.wrong(at, "is no multiple of "+decimal(s.multiple))
	case !inRange(s.format, n):
		return e.wrong(at, "does not fit in "+s.format)
	}
	return true
}

// decimal writes a number of the document.
func decimal(n *number) string {
	if n.exact == nil {
		return n.text()
	}
	text := strings.TrimRight(n.exact.FloatString(10), "0")
	return strings.TrimSuffix(text, ".")
}

func (e *evaluation) text(s *schema, v string, at *path) bool {
	if s.minLength >= 0 || s.maxLength >= 0 {
		e.steps += len(v) / 256
		n := utf8.RuneCountInString(v)
		if n < s.minLength {
			return e.wrong(at, "is shorter than "+itoa(s.minLength)+" characters")
		}
		if s.maxLength >= 0 && n > s.maxLength {
			return e.wrong(at, "is longer than "+itoa(s.maxLength)+" characters")
		}
	}
	if s.pattern != nil {
		if e.steps += 1 + len(v)/16; e.tooMuch() {
			return false
		}
		if !s.pattern.MatchString(v) {
			return e.wrong(at, "does not match the pattern")
		}
	}
	if !hasFormat(s.format, v) {
		return e.wrong(at, "is no "+s.format)
	}
	return true
}

func (e *evaluation) array(s *schema, v []any, at *path, t *tracker) bool {
	ok := true
	if len(v) < s.minItems {
		ok = e.wrong(at, "has less than "+itoa(s.minItems)+" items")
	}
	if s.maxItems >= 0 && len(v) > s.maxItems {
		return e.wrong(at, "has more than "+itoa(s.maxItems)+" items")
	}
	if s.unique && !e.unique(v) {
		ok = e.wrong(at, "has an item twice")
	}
	for i, item := range v {
		var own *schema
		switch {
		case i < len(s.prefix):
			own = s.prefix[i]
		case s.items != nil:
			own = s.items
		default:
			continue
		}
		ok = e.judge(own, item, e.item(at, i), nil) && ok
		if e.tooMuch() {
			return false
		}
	}
	if t != nil {
		t.items = max(t.items, len(s.prefix))
		t.every = t.every || s.items != nil
	}
	if s.contains != nil {
		ok = e.contains(s, v, at, t) && ok
	}
	return ok
}

// unique reports whether no two items are equal, in one pass.
func (e *evaluation) unique(v []any) bool {
	seen := make(map[string]struct{}, len(v))
	for _, item := range v {
		text := canonical(item)
		e.steps += 1 + len(text)/64
		if _, twice := seen[text]; twice || e.tooMuch() {
			return false
		}
		seen[text] = struct{}{}
	}
	return true
}

func (e *evaluation) contains(s *schema, v []any, at *path, t *tracker) bool {
	n := 0
	e.quiet++
	for i, item := range v {
		if e.judge(s.contains, item, at, nil) {
			n++
			t.item(i)
		}
	}
	e.quiet--
	least := s.minContains
	if least < 0 {
		least = 1
	}
	if n < least || s.maxContains >= 0 && n > s.maxContains {
		return e.wrong(at, "has not the items that it must contain")
	}
	return true
}

func (e *evaluation) object(s *schema, v map[string]any, at *path, t *tracker) bool {
	ok := true
	for _, name := range s.required {
		if _, given := v[name]; !given {
			ok = e.wrong(e.in(at, name), "is missing")
		}
	}
	if len(v) < s.minProperties {
		ok = e.wrong(at, "has less than "+itoa(s.minProperties)+" members")
	}
	if s.maxProperties >= 0 && len(v) > s.maxProperties {
		ok = e.wrong(at, "has more than "+itoa(s.maxProperties)+" members")
	}
	for given, needed := range s.dependentRequired {
		if _, has := v[given]; !has {
			continue
		}
		for _, name := range needed {
			if _, has := v[name]; !has {
				ok = e.wrong(e.in(at, name), "is missing, and needed beside "+shorten(given))
			}
		}
	}
	if s.properties == nil && s.patterns == nil && s.additional == nil && s.names == nil {
		e.steps += len(s.required)
		return ok
	}
	if e.quiet > 0 { // in any order: nobody is told
		for name, value := range v {
			if !e.member(s, name, value, at, t) {
				return false
			}
		}
		return ok
	}
	for _, name := range sorted(v) {
		ok = e.member(s, name, v[name], at, t) && ok
		if e.tooMuch() {
			return false
		}
	}
	return ok
}

// member judges one member of an object.
func (e *evaluation) member(s *schema, name string, value any, at *path, t *tracker) bool {
	ok, judged := true, false
	e.steps++
	if s.names != nil {
		e.quiet++
		named := e.judge(s.names, name, nil, nil)
		e.quiet--
		if !named {
			ok = e.wrong(at, "has a member whose name is not allowed")
		}
	}
	if own := s.properties[name]; own != nil {
		judged = true
		ok = e.judge(own, value, e.in(at, name), nil) && ok
	}
	for _, p := range s.patterns {
		e.steps += 1 + len(name)/16
		if p.pattern.MatchString(name) {
			judged = true
			ok = e.below(p.schema, value, at) && ok
		}
	}
	if !judged && s.additional != nil {
		judged = true
		if s.additional.never {
			ok = e.wrong(at, "has a member that is not declared")
		} else {
			ok = e.below(s.additional, value, at) && ok
		}
	}
	if judged {
		t.member(name)
	}
	return ok
}

// below judges a member whose name the client chose: what is wrong with it is told
// at the object that has it.
func (e *evaluation) below(s *schema, value any, at *path) bool {
	e.quiet++
	ok := e.judge(s, value, at, nil)
	e.quiet--
	if !ok && !e.tooMuch() {
		return e.wrong(at, "has a member whose value is not allowed")
	}
	return ok
}

// combined judges by the schemas that judge the same value.
func (e *evaluation) combined(s *schema, v any, at *path, t *tracker) bool {
	ok := true
	if s.ref != nil {
		ok = e.sub(s.ref, v, at, t)
	}
	for _, one := range s.all {
		ok = e.sub(one, v, at, t) && ok
	}
	if s.any != nil && e.matches(s.any, v, at, t, false) == 0 && !e.tooMuch() {
		ok = e.wrong(at, "matches none of the alternatives")
	}
	if s.one != nil {
		switch n := e.matches(s.one, v, at, t, true); {
		case e.tooMuch():
			ok = false
		case n == 0:
			ok = e.wrong(at, "matches none of the alternatives")
		case n > 1:
			ok = e.wrong(at, "matches more than one of the alternatives")
		}
	}
	if s.not != nil && e.silently(s.not, v, at, nil) {
		ok = e.wrong(at, "is what it must not be")
	}
	if s.condition != nil {
		ok = e.conditional(s, v, at, t) && ok
	}
	if object, isObject := v.(map[string]any); isObject {
		for _, name := range sorted(s.dependent) {
			if _, given := object[name]; given {
				ok = e.sub(s.dependent[name], v, at, t) && ok
			}
		}
	}
	return ok && !e.tooMuch()
}

// sub judges the same value by another schema, and notes for t what it judged.
func (e *evaluation) sub(s *schema, v any, at *path, t *tracker) bool {
	if t == nil {
		return e.judge(s, v, at, nil)
	}
	own := new(tracker)
	if !e.judge(s, v, at, own) {
		return false
	}
	t.join(own)
	return true
}

// silently is sub without faults.
func (e *evaluation) silently(s *schema, v any, at *path, t *tracker) bool {
	e.quiet++
	defer func() { e.quiet-- }()
	return e.sub(s, v, at, t)
}

// matches counts the schemas that v is as, up to two where exactly one is wanted.
// Without t the first match is enough where any is.
func (e *evaluation) matches(list []*schema, v any, at *path, t *tracker, exactly bool) (n int) {
	for _, one := range list {
		if e.silently(one, v, at, t) {
			n++
		}
		if exactly && n > 1 || !exactly && n > 0 && t == nil || e.tooMuch() {
			return n
		}
	}
	return n
}

func (e *evaluation) conditional(s *schema, v any, at *path, t *tracker) bool {
	if e.silently(s.condition, v, at, t) {
		return s.then == nil || e.sub(s.then, v, at, t)
	}
	return s.other == nil || e.sub(s.other, v, at, t)
}

// rest judges what nothing else in place has.
func (e *evaluation) rest(s *schema, v any, at *path, t *tracker) bool {
	ok := true
	if list, isArray := v.([]any); isArray && s.unevaluatedItems != nil && !t.every {
		for i := t.items; i < len(list); i++ {
			if _, judged := t.some[i]; !judged {
				ok = e.judge(s.unevaluatedItems, list[i], e.item(at, i), nil) && ok
			}
		}
		t.every = true
	}
	if object, isObject := v.(map[string]any); isObject && s.unevaluatedProperties != nil {
		for _, name := range sorted(object) {
			if _, judged := t.members[name]; judged {
				continue
			}
			if s.unevaluatedProperties.never {
				ok = e.wrong(at, "has a member that is not declared")
			} else {
				ok = e.below(s.unevaluatedProperties, object[name], at) && ok
			}
			t.member(name)
		}
	}
	return ok
}

// typeOfValue returns the types that v has.
func typeOfValue(v any) types {
	switch v := v.(type) {
	case nil:
		return nullType
	case bool:
		return booleanType
	case *number:
		if v.whole {
			return integerType
		}
		return numberType
	case string, blob:
		return stringType
	case []any:
		return arrayType
	default:
		return objectType
	}
}

// canonical is a text that equal values have in common, and no others.
func canonical(v any) string {
	switch v := v.(type) { // the common ones, without a builder
	case string:
		return "s" + v
	case *number:
		return "n" + v.text()
	}
	var b strings.Builder
	writeCanonical(&b, v)
	return b.String()
}

func writeCanonical(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("z")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case *number:
		b.WriteString("n" + v.text())
	case string:
		b.WriteString("s" + strconv.Quote(v))
	case blob:
		b.WriteString("b")
	case []any:
		b.WriteString("[")
		for _, item := range v {
			writeCanonical(b, item)
			b.WriteString(",")
		}
		b.WriteString("]")
	case map[string]any:
		b.WriteString("{")
		for _, name := range sorted(v) {
			b.WriteString(strconv.Quote(name))
			b.WriteString(":")
			writeCanonical(b, v[name])
			b.WriteString(",")
		}
		b.WriteString("}")
	}
}
