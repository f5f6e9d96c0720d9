package adminui

import (
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/client"
)

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
