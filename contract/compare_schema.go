package contract

import (
	"math/big"
	"reflect"
	"slices"
	"strconv"
)

// pair are two schemas that are compared.
type pair struct{ was, is *schema }

// schemas compares pairs of them. A pair that is being compared is assumed to be
// right, since schemas may refer to themselves; what was shown by that assumption is
// forgotten when it turns out to be wrong.
type schemas struct {
	steps   int
	assumed map[pair]struct{}
	order   []pair // of assumed
	failed  map[pair][]reason
	open    *schema
}

func newSchemas() *schemas {
	return &schemas{assumed: map[pair]struct{}{}, failed: map[pair][]reason{}, open: unbounded()}
}

// differ returns why something passes is that was refused by was, and which names
// are new in it. nil stands for a schema that everything passes.
func (c *schemas) differ(was, is *schema) []reason {
	if was == nil {
		return nil
	}
	if is == nil {
		is = c.open
	}
	key := pair{was.plain(), is.plain()}
	if reasons, known := c.failed[key]; known {
		return reasons
	}
	if _, known := c.assumed[key]; known {
		return nil
	}
	if c.steps++; c.steps > maxComparisons {
		return less("is too large to be compared")
	}
	begin := len(c.order)
	c.assumed[key] = struct{}{}
	c.order = append(c.order, key)
	reasons := c.compare(key.was, key.is)
	if !implied(reasons) { // what is only new is told where it was met first
		for _, one := range c.order[begin:] {
			delete(c.assumed, one)
		}
		c.order = c.order[:begin]
		c.failed[key] = reasons
	}
	return reasons
}

// plain is s, or what it is another name of.
func (s *schema) plain() *schema {
	for s.alias {
		s = s.ref
	}
	return s
}

// accepts reports whether v is as s says; sure is what it says when that takes too
// long.
func accepts(s *schema, v any, sure bool) bool {
	e := evaluation{quiet: 1}
	ok := e.judge(s, v, nil, nil)
	if e.tooMuch() {
		return sure
	}
	return ok
}

func (c *schemas) compare(was, is *schema) (all []reason) {
	if is.never || is.kinds == 0 {
		return nil
	}
	if accepts(is, nil, true) && !accepts(was, nil, false) {
		all = less(takesNull)
	}
	if is.kinds&^nullType == 0 {
		return all
	}
	parts := is.parts()
	for _, n := range parts {
		if n.enum == nil {
			continue
		}
		for _, v := range n.listed { // few values: each is tried
			c.steps++
			if v != nil && accepts(is, v, true) && !accepts(was, v, false) {
				return append(all, less("takes a value that was refused")...)
			}
		}
		return all
	}
	for _, o := range was.parts() {
		all = append(all, c.part(o, is, parts)...)
	}
	return all
}

// parts are s and what must hold besides: what it refers to, and all of allOf.
func (s *schema) parts() (all []*schema) {
	seen := map[*schema]struct{}{}
	var add func(*schema)
	add = func(s *schema) {
		if _, before := seen[s]; before {
			return
		}
		seen[s] = struct{}{}
		all = append(all, s)
		if s.ref != nil {
			add(s.ref)
		}
		for _, one := range s.all {
			add(one)
		}
	}
	add(s)
	return all
}

// part compares what o alone asks for with parts, which all hold of is.
func (c *schemas) part(o, is *schema, parts []*schema) []reason {
	if o.never {
		return less("takes what nothing was taken of")
	}
	var all []reason
	kinds := is.kinds &^ nullType
	if more := kinds &^ o.types; more != 0 {
		if more == numberType {
			all = less("takes numbers that are no integers")
		} else {
			if more&numberType != 0 {
				more |= integerType // which is called a number
			}
			all = less("takes " + more.String() + ", it was " + o.types.String())
		}
	}
	if o.enum != nil {
		all = append(all, less("takes values that are not listed")...)
	}
	if kinds&(numberType|integerType) != 0 {
		all = append(all, numbers(o, parts, kinds)...)
	}
	if kinds&stringType != 0 {
		all = append(all, texts(o, parts)...)
	}
	if kinds&arrayType != 0 {
		all = append(all, c.arrays(o, parts)...)
	}
	if kinds&objectType != 0 {
		all = append(all, c.objects(o, parts)...)
	}
	all = append(all, c.combinations(o, is, parts)...)
	if implied(all) {
		return all
	}
	for _, n := range parts { // is one of several, each of which is as o says
		for _, list := range [][]*schema{n.any, n.one} {
			if list != nil && !slices.ContainsFunc(list, func(b *schema) bool { return !implied(c.differ(o, b)) }) {
				return nil
			}
		}
	}
	return all
}

// first returns nothing when one of candidates is as o says, else why the first is
// not.
func (c *schemas) first(o *schema, candidates []*schema) (reasons []reason) {
	if len(candidates) == 0 {
		return c.differ(o, nil)
	}
	for i, n := range candidates {
		found := c.differ(o, n)
		if implied(found) {
			return found
		}
		if i == 0 {
			reasons = found
		}
	}
	return reasons
}

// A bound is the strictest of one sort; nil for none.
type bound struct {
	at   *number
	open bool // at itself is beyond it
}

func (b bound) String() string {
	switch {
	case b.at == nil:
		return ""
	case b.open:
		return "beyond " + decimal(b.at)
	default:
		return decimal(b.at)
	}
}

// within reports whether b is at least as strict as o; sign is 1 for a lower bound,
// -1 for an upper one.
func (b bound) within(o bound, sign int) bool {
	if o.at == nil {
		return true
	}
	if b.at == nil {
		return false
	}
	order := sign * b.at.cmp(o.at)
	return order > 0 || order == 0 && (b.open || !o.open)
}

func strictest(parts []*schema, sign int) (b bound) {
	for _, n := range parts {
		closed, open := n.minimum, n.above
		if sign < 0 {
			closed, open = n.maximum, n.below
		}
		for _, one := range []bound{{closed, false}, {open, true}} {
			if one.at != nil && one.within(b, sign) {
				b = one
			}
		}
	}
	return b
}

// numbers compares what is about numbers.
func numbers(o *schema, parts []*schema, kinds types) (all []reason) {
	for i, name := range []string{"minimum", "maximum"} {
		sign := 1 - 2*i
		if was, is := strictest([]*schema{o}, sign), strictest(parts, sign); !is.within(was, sign) {
			all = append(all, gone(name, was.String(), is.String())...)
		}
	}
	if o.multiple != nil && !slices.ContainsFunc(parts, func(n *schema) bool { return divides(o.multiple, n.multiple) }) &&
		(kinds&numberType != 0 || !divides(o.multiple, &number{small: 1, whole: true})) {
		all = append(all, gone("multipleOf", decimal(o.multiple), other(parts, func(n *schema) string { return decimalOf(n.multiple) }))...)
	}
	switch o.format {
	case "int32", "int64", "float", "double":
		narrower := map[string]string{"int64": "int32", "double": "float"}[o.format]
		if !slices.ContainsFunc(parts, func(n *schema) bool { return n.format == o.format || narrower != "" && n.format == narrower }) {
			all = append(all, less("format "+o.format+" is gone")...)
		}
	}
	return all
}

// divides reports whether every multiple of b is one of a.
func divides(a, b *number) bool {
	return b != nil && new(big.Rat).Quo(b.rat(), a.rat()).IsInt()
}

func decimalOf(n *number) string {
	if n == nil {
		return ""
	}
	return decimal(n)
}

// other returns the first text that there is.
func other(parts []*schema, text func(*schema) string) string {
	for _, n := range parts {
		if t := text(n); t != "" {
			return t
		}
	}
	return ""
}

// most and least compare counts; -1 is for none.
func most(name string, was int, parts []*schema, of func(*schema) int) []reason {
	if was < 0 {
		return nil
	}
	is := -1
	for _, n := range parts {
		if one := of(n); one >= 0 && (is < 0 || one < is) {
			is = one
		}
	}
	if is >= 0 && is <= was {
		return nil
	}
	return gone(name, strconv.Itoa(was), count(is))
}

func least(name string, was int, parts []*schema, of func(*schema) int) []reason {
	is := -1
	for _, n := range parts {
		is = max(is, of(n))
	}
	if was <= 0 || is >= was {
		return nil
	}
	return gone(name, strconv.Itoa(was), count(is))
}

func count(n int) string {
	if n < 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// texts compares what is about texts.
func texts(o *schema, parts []*schema) (all []reason) {
	all = append(all, least("minLength", o.minLength, parts, func(n *schema) int { return n.minLength })...)
	all = append(all, most("maxLength", o.maxLength, parts, func(n *schema) int { return n.maxLength })...)
	if o.pattern != nil && !slices.ContainsFunc(parts, func(n *schema) bool { return n.pattern != nil && n.pattern.String() == o.pattern.String() }) {
		if slices.ContainsFunc(parts, func(n *schema) bool { return n.pattern != nil }) {
			all = append(all, less("pattern is another one")...)
		} else {
			all = append(all, less("pattern is gone")...)
		}
	}
	switch o.format {
	case "uuid", "date", "date-time", "ipv4", "ipv6":
		if !slices.ContainsFunc(parts, func(n *schema) bool { return n.format == o.format }) {
			all = append(all, less("format "+o.format+" is gone")...)
		}
	}
	return all
}

// arrays compares what is about arrays.
func (c *schemas) arrays(o *schema, parts []*schema) (all []reason) {
	all = append(all, least("minItems", o.minItems, parts, func(n *schema) int { return n.minItems })...)
	all = append(all, most("maxItems", o.maxItems, parts, func(n *schema) int { return n.maxItems })...)
	if o.unique && !slices.ContainsFunc(parts, func(n *schema) bool { return n.unique }) {
		all = append(all, less("uniqueItems is gone")...)
	}
	longest := len(o.prefix)
	for _, n := range parts {
		longest = max(longest, len(n.prefix))
	}
	for i := range longest + 1 { // the last stands for all that follow
		was := o.itemAt(i)
		if was == nil {
			continue
		}
		var candidates []*schema
		for _, n := range parts {
			if one := n.itemAt(i); one != nil {
				candidates = append(candidates, one)
			}
		}
		at := "*"
		if i < longest {
			at = strconv.Itoa(i)
		}
		all = append(all, below(at, c.first(was, candidates))...)
	}
	if o.contains != nil && !slices.ContainsFunc(parts, func(n *schema) bool {
		return n.contains != nil && c.alike(o.contains, n.contains) && n.fewest() >= o.fewest() && (o.maxContains < 0 || n.maxContains >= 0 && n.maxContains <= o.maxContains)
	}) {
		all = append(all, less("contains is another one, or gone")...)
	}
	if o.unevaluatedItems != nil && !equalsOne(o, parts) {
		all = append(all, less("unevaluatedItems stands beside something else, or is gone")...)
	}
	return all
}

// itemAt is what judges the item at i; nil for nothing.
func (s *schema) itemAt(i int) *schema {
	if i < len(s.prefix) {
		return s.prefix[i]
	}
	return s.items
}

// fewest is how many items contains wants.
func (s *schema) fewest() int {
	if s.minContains < 0 {
		return 1
	}
	return s.minContains
}

// alike reports whether a and b take the same.
func (c *schemas) alike(a, b *schema) bool {
	return implied(c.differ(a, b)) && implied(c.differ(b, a))
}

// equalsOne reports whether one of parts is word for word what o is.
func equalsOne(o *schema, parts []*schema) bool {
	return slices.ContainsFunc(parts, func(n *schema) bool { return n == o || reflect.DeepEqual(n, o) })
}

// combinations compares what joins schemas.
func (c *schemas) combinations(o, is *schema, parts []*schema) (all []reason) {
	if o.any != nil {
		all = append(all, c.alternatives("anyOf", o.any, is, parts)...)
	}
	if o.one != nil && !equalsOne(o, parts) {
		if disjoint(o.one) {
			all = append(all, c.alternatives("oneOf", o.one, is, parts)...)
		} else {
			all = append(all, c.exactly(o, parts)...)
		}
	}
	if o.not != nil && !slices.ContainsFunc(parts, func(n *schema) bool { return n.not != nil && implied(c.differ(n.not, o.not)) }) {
		all = append(all, less("not is another one, or gone")...)
	}
	if o.condition != nil && !slices.ContainsFunc(parts, func(n *schema) bool {
		return n.condition != nil && c.alike(o.condition, n.condition) && implied(c.differ(o.then, n.then)) && implied(c.differ(o.other, n.other))
	}) {
		all = append(all, less("if, then or else is another one, or gone")...)
	}
	return all
}

// alternatives compares those of which one at least must hold: each that there is
// now must be as one of those before.
func (c *schemas) alternatives(name string, was []*schema, is *schema, parts []*schema) (reasons []reason) {
	if slices.ContainsFunc(was, func(old *schema) bool { return implied(c.differ(old, is)) }) {
		return nil
	}
	found := false
	for _, n := range parts {
		for _, list := range [][]*schema{n.any, n.one} {
			if list == nil {
				continue
			}
			var own []reason
			for i, b := range list {
				if slices.ContainsFunc(was, func(old *schema) bool { return implied(c.differ(old, b)) }) {
					continue
				}
				if i < len(was) && was[i].kinds&b.kinds != 0 {
					own = append(own, c.differ(was[i], b)...)
				} else {
					own = append(own, less(name+" has another alternative")...)
				}
			}
			if len(own) == 0 {
				return nil
			}
			if !found {
				reasons, found = own, true
			}
		}
	}
	if !found {
		return less(name + " is gone")
	}
	return reasons
}

// disjoint reports whether no value can be of two of list.
func disjoint(list []*schema) bool {
	var seen types
	for _, one := range list {
		if one.kinds&seen != 0 {
			return false
		}
		seen |= one.kinds
	}
	return true
}

// exactly compares alternatives of which one alone may hold. A narrower one lets
// pass what two held of, so that they must be the same, in any order.
func (c *schemas) exactly(o *schema, parts []*schema) []reason {
	for _, n := range parts {
		if len(n.one) != len(o.one) {
			continue
		}
		rest := slices.Clone(o.one)
		for _, b := range n.one {
			if i := slices.IndexFunc(rest, func(old *schema) bool { return c.alike(old, b) }); i >= 0 {
				rest = slices.Delete(rest, i, i+1)
			}
		}
		if len(rest) == 0 {
			return nil
		}
	}
	return less("oneOf has other alternatives, or is gone")
}
