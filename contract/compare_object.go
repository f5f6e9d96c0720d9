package contract

import "slices"

// objects compares what is about objects.
func (c *schemas) objects(o *schema, parts []*schema) (all []reason) {
	needed := map[string]struct{}{}
	for _, n := range parts {
		for _, name := range n.required {
			needed[name] = struct{}{}
		}
	}
	for _, name := range o.required {
		if _, still := needed[name]; !still {
			all = append(all, below(name, less("is not required any more"))...)
		}
	}
	if len(needed) < o.minProperties {
		all = append(all, least("minProperties", o.minProperties, parts, func(n *schema) int { return n.minProperties })...)
	}
	all = append(all, most("maxProperties", o.maxProperties, parts, func(n *schema) int { return n.maxProperties })...)
	all = append(all, dependencies(o, parts, needed)...)
	for _, name := range sorted(o.dependent) {
		if found := c.first(o.dependent[name], each(parts, func(n *schema) *schema { return n.dependent[name] })); !implied(found) {
			all = append(all, less("dependentSchemas asks for less beside "+shorten(name))...)
		}
	}
	if found := c.first(o.names, each(parts, func(n *schema) *schema { return n.names })); !implied(found) {
		all = append(all, less("propertyNames is another one, or gone")...)
	}
	all = append(all, c.declared(o, parts)...)
	all = append(all, c.undeclared(o, parts)...)
	if o.unevaluatedProperties != nil && !equalsOne(o, parts) {
		all = append(all, less("unevaluatedProperties stands beside something else, or is gone")...)
	}
	return all
}

// each returns what of gives for parts, without nil.
func each(parts []*schema, of func(*schema) *schema) (all []*schema) {
	for _, n := range parts {
		if one := of(n); one != nil {
			all = append(all, one)
		}
	}
	return all
}

// dependencies compares members that are needed beside others.
func dependencies(o *schema, parts []*schema, needed map[string]struct{}) (all []reason) {
	for _, given := range sorted(o.dependentRequired) {
		for _, name := range o.dependentRequired[given] {
			_, always := needed[name]
			if !always && !slices.ContainsFunc(parts, func(n *schema) bool { return slices.Contains(n.dependentRequired[given], name) }) {
				all = append(all, below(name, less("is not needed any more beside "+shorten(given)))...)
			}
		}
	}
	return all
}

// at are the schemas that judge a member called name, as s has it.
func (s *schema) at(name string) (all []*schema) {
	if own := s.properties[name]; own != nil {
		all = append(all, own)
	}
	for _, p := range s.patterns {
		if p.pattern.MatchString(name) {
			all = append(all, p.schema)
		}
	}
	if len(all) == 0 && s.additional != nil {
		all = append(all, s.additional)
	}
	return all
}

// declared compares members that one of the two names.
func (c *schemas) declared(o *schema, parts []*schema) (all []reason) {
	names := map[string]struct{}{}
	for _, s := range append([]*schema{o}, parts...) {
		for name := range s.properties {
			names[name] = struct{}{}
		}
	}
	for _, name := range sorted(names) {
		var now []*schema
		for _, n := range parts {
			now = append(now, n.at(name)...)
		}
		for _, was := range o.at(name) {
			found := c.first(was, now)
			if was == o.additional && was.never && !implied(found) { // it takes members by name, and this is one more
				found = []reason{{what: "is new"}}
			}
			all = append(all, below(name, found)...)
		}
	}
	return all
}

// undeclared compares what judges members that neither names.
func (c *schemas) undeclared(o *schema, parts []*schema) (all []reason) {
	closed := slices.ContainsFunc(parts, func(n *schema) bool { return n.additional != nil && n.additional.never && len(n.patterns) == 0 })
	if closed {
		return nil
	}
	for _, p := range o.patterns {
		candidates := each(parts, func(n *schema) *schema { return n.byPattern(p.pattern.String()) })
		all = append(all, below("*", c.first(p.schema, candidates))...)
	}
	if o.additional == nil {
		return all
	}
	found := c.first(o.additional, each(parts, func(n *schema) *schema { return n.additional }))
	switch {
	case implied(found):
	case o.additional.never:
		all = append(all, less("takes members that are not declared")...)
	default:
		all = append(all, below("*", found)...)
	}
	for _, n := range parts {
		for _, p := range n.patterns {
			if o.byPattern(p.pattern.String()) == nil && !implied(c.differ(o.additional, p.schema)) {
				all = append(all, less("takes members by another pattern of names")...)
			}
		}
	}
	return all
}

// byPattern returns the schema of the members whose names match a pattern.
func (s *schema) byPattern(text string) *schema {
	for _, p := range s.patterns {
		if p.pattern.String() == text {
			return p.schema
		}
	}
	return nil
}
