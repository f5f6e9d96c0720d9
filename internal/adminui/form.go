package adminui

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/client"
)

// A field is one of a form.
type field struct {
	Name, Label, Hint string
	Kind              string // "text", "area", "select", "when" or "password"
	Value             string
	Options           []option
	Error             string
	Stored            string // what is stored meanwhile, when somebody else has changed it; see Changed
	Changed           bool
	Adopted           bool // somebody else has changed it meanwhile, and the person has not
	Max               int
	Required          bool
	Complete          string // of autocomplete
}

// An option is one of a choice.
type option struct{ Value, Label string }

// A form is fields in groups; those after the first are folded.
type form struct{ Groups []group }

// A group is fields that belong together.
type group struct {
	Title  string
	Folded bool
	Fields []*field
}

// Open reports whether a folded group has something to see.
func (g group) Open() bool {
	return slices.ContainsFunc(g.Fields, func(f *field) bool { return f.Error != "" || f.Changed || f.Adopted })
}

// find returns a field, or nil.
func (f *form) find(name string) *field {
	for _, g := range f.Groups {
		for _, one := range g.Fields {
			if one.Name == name {
				return one
			}
		}
	}
	return nil
}

// blame writes faults of the API to their fields, and returns those that have none.
func (f *form) blame(faults []client.Fault) (rest []client.Fault) {
	for _, fault := range faults {
		name, _, _ := strings.Cut(fault.Field, "[")
		name, _, _ = strings.Cut(name, ".")
		if name == "never_expires" {
			name = "expires"
		}
		if one := f.find(name); one != nil {
			one.Error = join(one.Error, fault.Field+": "+fault.Message)
			continue
		}
		rest = append(rest, fault)
	}
	return rest
}

func join(before, more string) string {
	if before == "" {
		return more
	}
	return before + "; " + more
}

// Names of fields, which are those of the API.
const (
	fName        = "name"
	fOwner       = "owner"
	fEnvironment = "environment"
	fKind        = "kind"
	fScopes      = "scopes"
	fLifetime    = "lifetime"
	fExpires     = "expires"
	fAddresses   = "addresses"
	fMethods     = "methods"
	fPaths       = "paths"
	fOrigins     = "origins"
	fPlan        = "plan"
	fLimits      = "limits"
	fIdle        = "idle_revoke"
	fMetadata    = "metadata"
	fCertificate = "certificate"
)

// Lifetimes of a key.
const (
	lifeAt    = "at"
	lifeNever = "never"
)

// newForm is the form of a key; fresh is for one that is to be made.
func newForm(fresh bool) *form {
	about := []*field{
		{Name: fName, Label: "Name", Hint: "What it is for, for people.", Kind: "text", Max: 128},
		{Name: fOwner, Label: "Owner", Hint: "Your own id of whom it belongs to.", Kind: "text", Max: 128},
	}
	lifetimes := []option{{lifeAt, "at a time of your own"}, {lifeNever, "never"}}
	if fresh {
		about = append(about,
			&field{Name: fEnvironment, Label: "Environment", Hint: "Part of the key's text, such as live or test.", Kind: "text", Value: "live", Max: 16},
			&field{Name: fKind, Label: "Kind", Kind: "select", Options: []option{{"secret", "secret: for servers"}, {"public", "public: for browsers, bound to origins"}, {"honeytoken", "honeytoken: planted, to see who uses it"}}})
		lifetimes = append([]option{{"", "as the policy says"}, {"7", "in 7 days"}, {"30", "in 30 days"}, {"90", "in 90 days"}, {"365", "in a year"}}, lifetimes...)
	}
	return &form{Groups: []group{
		{Title: "General", Fields: about},
		{Title: "What it may do", Fields: []*field{{Name: fScopes, Label: "Scopes", Hint: "One a line, such as orders:read or orders:*. None: nothing that wants a scope.", Kind: "area"}}},
		{Title: "Expiry", Fields: []*field{
			{Name: fLifetime, Label: "It expires", Kind: "select", Options: lifetimes},
			{Name: fExpires, Label: "Time (UTC)", Hint: "Only for “a time of your own”.", Kind: "when"},
			{Name: fIdle, Label: "Revoke when unused for", Hint: "Such as 90d. Empty: never.", Kind: "text", Max: 32},
		}},
		{Title: "From where and how it may be used", Folded: true, Fields: []*field{
			{Name: fAddresses, Label: "Addresses", Hint: "One address or range a line, such as 192.0.2.0/24. None: anywhere.", Kind: "area"},
			{Name: fMethods, Label: "Methods", Hint: "Such as GET. None: any.", Kind: "text"},
			{Name: fPaths, Label: "Paths", Hint: "One pattern a line, such as /orders/. None: any.", Kind: "area"},
			{Name: fOrigins, Label: "Origins", Hint: "Of pages, for a public key: one a line, such as https://app.example.com.", Kind: "area"},
			{Name: fCertificate, Label: "Client certificate", Hint: "sha256: and its fingerprint, to bind the key to it.", Kind: "text", Max: 71},
		}},
		{Title: "Limits", Folded: true, Fields: []*field{
			{Name: fPlan, Label: "Plan", Hint: "Whose limits apply.", Kind: "text", Max: 40},
			{Name: fLimits, Label: "Limits of its own", Hint: "One a line: name, count/time and, if you like, how many at once, such as requests 600/1m 60.", Kind: "area"},
		}},
		{Title: "Metadata", Folded: true, Fields: []*field{{Name: fMetadata, Label: "Your own notes", Hint: "One name=value a line.", Kind: "area"}}},
	}}
}

// take reads what was sent.
func (f *form) take(v *visit) {
	for _, g := range f.Groups {
		for _, one := range g.Fields {
			one.Value = strings.TrimSpace(strings.ReplaceAll(v.form.Get(one.Name), "\r\n", "\n"))
		}
	}
}

func (f *form) value(name string) string {
	if one := f.find(name); one != nil {
		return one.Value
	}
	return ""
}

func (f *form) blameField(name, message string) {
	if one := f.find(name); one != nil {
		one.Error = join(one.Error, message)
	}
}

// wrong reports whether a field has an error.
func (f *form) wrong() bool {
	return slices.ContainsFunc(f.Groups, func(g group) bool {
		return slices.ContainsFunc(g.Fields, func(one *field) bool { return one.Error != "" })
	})
}

// spec is the key that the form describes; what is wrong stands at its field then.
func (f *form) spec() client.KeySpec {
	s := client.KeySpec{
		Name: f.value(fName), Owner: f.value(fOwner), Environment: f.value(fEnvironment), Kind: f.value(fKind), Scopes: f.words(fScopes),
		Addresses: f.words(fAddresses), Methods: f.words(fMethods), Paths: f.lines(fPaths), Origins: f.words(fOrigins), Plan: f.value(fPlan),
		Limits: f.limits(), IdleRevoke: f.value(fIdle), Metadata: f.metadata(), Certificate: f.value(fCertificate),
	}
	switch life := f.value(fLifetime); life {
	case "":
	case lifeNever:
		s.NeverExpires = true
	case lifeAt:
		s.Expires = f.moment()
	default:
		days, err := strconv.Atoi(life)
		if err != nil || days < 1 {
			f.blameField(fLifetime, "want one of the list")
			break
		}
		s.Expires = new(time.Now().UTC().Truncate(time.Second).AddDate(0, 0, days))
	}
	return s
}

// patch is what differs from the key as it is.
func (f *form) patch(k *client.Key) (p client.KeyPatch, changed bool) {
	was := filled(k)
	differs := func(name string) bool {
		if f.same(name, was) {
			return false
		}
		changed = true
		return true
	}
	for name, to := range map[string]**string{fName: &p.Name, fOwner: &p.Owner, fPlan: &p.Plan, fIdle: &p.IdleRevoke, fCertificate: &p.Certificate} {
		if differs(name) {
			*to = new(f.value(name))
		}
	}
	for name, to := range map[string]**[]string{fScopes: &p.Scopes, fAddresses: &p.Addresses, fMethods: &p.Methods, fPaths: &p.Paths, fOrigins: &p.Origins} {
		if differs(name) {
			*to = new(f.items(name))
		}
	}
	if differs(fMetadata) {
		p.Metadata = new(f.metadata())
	}
	if differs(fLimits) {
		p.Limits = new(f.limits())
	}
	switch life := f.value(fLifetime); {
	case life == lifeNever && k.Expires != nil:
		p.NeverExpires, changed = new(true), true
	case life == lifeAt && (k.Expires == nil || differs(fExpires)):
		p.Expires, changed = f.moment(), true
	}
	return p, changed
}

// same reports whether a field says what it says in was. What came back as it was
// sent is the same, whatever a form makes of it: a note of several lines, say.
func (f *form) same(name string, was *form) bool {
	stored := strings.TrimSpace(was.value(name))
	return f.value(name) == stored || f.canonical(name) == stored
}

// canonical is a field's value as [filled] writes it.
func (f *form) canonical(name string) string {
	switch name {
	case fScopes, fAddresses, fOrigins:
		return strings.Join(f.words(name), "\n")
	case fMethods:
		return strings.Join(f.words(name), " ")
	case fPaths:
		return strings.Join(f.lines(name), "\n")
	case fMetadata:
		return metadataText(f.metadata())
	case fLimits:
		return limitsText(f.limits())
	case fIdle:
		return span(f.value(name))
	case fExpires:
		if t := parseMoment(f.value(name)); t != nil {
			return momentText(*t)
		}
	}
	return f.value(name)
}

// items are a list, which is empty rather than absent.
func (f *form) items(name string) []string {
	if name == fPaths {
		return append([]string{}, f.lines(name)...)
	}
	return append([]string{}, f.words(name)...)
}

// filled is the form with a key in it.
func filled(k *client.Key) *form {
	f := newForm(false)
	life := lifeNever
	expires := ""
	if k.Expires != nil {
		life, expires = lifeAt, momentText(*k.Expires)
	}
	for name, text := range map[string]string{
		fName: k.Name, fOwner: k.Owner, fScopes: strings.Join(k.Scopes, "\n"), fLifetime: life, fExpires: expires, fIdle: span(k.IdleRevoke),
		fAddresses: strings.Join(k.Addresses, "\n"), fMethods: strings.Join(k.Methods, " "), fPaths: strings.Join(k.Paths, "\n"),
		fOrigins: strings.Join(k.Origins, "\n"), fCertificate: k.Certificate, fPlan: k.Plan, fLimits: limitsText(k.Limits), fMetadata: metadataText(k.Metadata),
	} {
		f.find(name).Value = text
	}
	return f
}

// base is what a form was filled with, so that it is known later what a person has
// changed in it.
func (f *form) base() string {
	all := make(map[string]string)
	for _, g := range f.Groups {
		for _, one := range g.Fields {
			all[one.Name] = one.Value
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "" // strings
	}
	return string(text)
}

// merge joins what a person has changed in the form with what somebody else has
// stored meanwhile. What the person left as it was becomes what is stored; where both
// have changed a field, it keeps what the person typed, and says what is stored.
func (f *form) merge(base string, k *client.Key) {
	was := make(map[string]string)
	_ = json.Unmarshal([]byte(base), &was) // without it, every field is the person's
	now := filled(k)
	for _, g := range now.Groups {
		for _, stored := range g.Fields {
			one := f.find(stored.Name)
			before, known := was[stored.Name]
			switch {
			case one == nil || f.same(stored.Name, now):
			case known && one.Value == strings.TrimSpace(before):
				one.Value, one.Adopted = stored.Value, true
			case !known || stored.Value != before:
				one.Stored, one.Changed = stored.Value, true
			}
		}
	}
}

func (f *form) words(name string) []string {
	return strings.FieldsFunc(f.value(name), func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == ',' })
}

func (f *form) lines(name string) (all []string) {
	for line := range strings.SplitSeq(f.value(name), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

func (f *form) metadata() map[string]string {
	all := make(map[string]string)
	for _, line := range f.lines(fMetadata) {
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if _, twice := all[name]; !ok || twice {
			f.find(fMetadata).Error = "want lines of the form name=value, each name once"
			continue
		}
		all[name] = strings.TrimSpace(value)
	}
	return all
}

func metadataText(all map[string]string) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		lines = append(lines, name+"="+all[name])
	}
	return strings.Join(lines, "\n")
}

func (f *form) limits() []client.Limit {
	all := []client.Limit{}
	for _, line := range f.lines(fLimits) {
		l, ok := limitOf(line)
		if !ok {
			f.find(fLimits).Error = "want lines such as requests 600/1m or requests 600/1m 60"
			continue
		}
		all = append(all, l)
	}
	return all
}

func limitOf(line string) (l client.Limit, ok bool) {
	words := strings.Fields(line)
	if len(words) != 2 && len(words) != 3 {
		return l, false
	}
	count, per, found := strings.Cut(words[1], "/")
	n, err := strconv.ParseInt(count, 10, 64)
	if !found || err != nil || per == "" {
		return l, false
	}
	l = client.Limit{Name: words[0], Count: n, Per: per}
	if len(words) == 3 {
		burst, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			return l, false
		}
		l.Burst = &burst
	}
	return l, true
}

func limitsText(all []client.Limit) string {
	var lines []string
	for _, l := range all {
		line := fmt.Sprintf("%s %d/%s", l.Name, l.Count, span(l.Per))
		if l.Burst != nil && *l.Burst > 0 {
			line += " " + strconv.FormatInt(*l.Burst, 10)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// momentText is a time as forms have it, in UTC.
func momentText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") }

func parseMoment(text string) *time.Time {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return &t
		}
	}
	return nil
}

// moment is the time of expiry.
func (f *form) moment() *time.Time {
	t := parseMoment(f.value(fExpires))
	if t == nil {
		f.blameField(fExpires, "want a time such as 2027-01-31T12:00")
	}
	return t
}

// span is a duration as people write it: "90d" for "2160h0m0s". What is none stays as
// it is.
func span(text string) string {
	const day = 24 * time.Hour
	d, err := time.ParseDuration(text)
	switch {
	case err != nil || d <= 0:
		return text
	case d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	short := d.String()
	if strings.HasSuffix(short, "m0s") {
		short = strings.TrimSuffix(short, "0s")
	}
	if strings.HasSuffix(short, "h0m") {
		short = strings.TrimSuffix(short, "0m")
	}
	return short
}
