package keyservice

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// KeySpec is a key to be made.
type KeySpec struct {
	Environment string            `json:"environment,omitempty" doc:"part of the key's text; default live" maxLength:"16" pattern:"^[a-z0-9]+$" patternDescription:"lower case letters and digits" example:"live"`
	Kind        string            `json:"kind,omitempty" enum:"secret,public,honeytoken" doc:"default secret" example:"secret"`
	Name        string            `json:"name,omitempty" doc:"what it is for, for people" maxLength:"128" example:"ci"`
	Owner       string            `json:"owner,omitempty" doc:"your own id of whom it belongs to" maxLength:"128" example:"acme"`
	Scopes      []string          `json:"scopes,omitempty" nullable:"false" doc:"what it may do; none: nothing" maxItems:"100" example:"[\"orders:read\"]"`
	Expires     *time.Time        `json:"expires,omitempty" doc:"from then on it is refused; absent: as the policy has it"`
	Never       bool              `json:"never_expires,omitempty" doc:"whatever the policy's default is"`
	Certificate string            `json:"certificate,omitempty" doc:"sha256: and the fingerprint of the client certificate to bind it to" maxLength:"71"`
	Metadata    map[string]string `json:"metadata,omitempty" doc:"your own notes" maxProperties:"50"`
	Addresses   []string          `json:"addresses,omitempty" nullable:"false" doc:"addresses and ranges from where alone it may be used" maxItems:"100"`
	Methods     []string          `json:"methods,omitempty" nullable:"false" doc:"with which alone it may be used" maxItems:"20"`
	Paths       []string          `json:"paths,omitempty" nullable:"false" doc:"patterns of paths where alone it may be used" maxItems:"100"`
	Origins     []string          `json:"origins,omitempty" nullable:"false" doc:"of pages, for a public key" maxItems:"20"`
	Plan        string            `json:"plan,omitempty" doc:"whose limits apply" maxLength:"40"`
	Limits      []Limit           `json:"limits,omitempty" nullable:"false" doc:"its own, in place of those of the plan and the route with the same name" maxItems:"10"`
	IdleRevoke  string            `json:"idle_revoke,omitempty" doc:"revoke it when it was unused for so long, such as 90d" maxLength:"32"`
}

// KeyPatch says what of a key is to be another: what is absent stays, what is
// empty is taken away.
type KeyPatch struct {
	Name        *string            `json:"name,omitempty" maxLength:"128" example:"ci of the new team"`
	Owner       *string            `json:"owner,omitempty" maxLength:"128"`
	Scopes      *[]string          `json:"scopes,omitempty" nullable:"false" maxItems:"100"`
	Expires     *time.Time         `json:"expires,omitempty"`
	Never       bool               `json:"never_expires,omitempty" doc:"take the end away"`
	Certificate *string            `json:"certificate,omitempty" maxLength:"71"`
	Metadata    *map[string]string `json:"metadata,omitempty" doc:"all of it anew" maxProperties:"50"`
	Addresses   *[]string          `json:"addresses,omitempty" nullable:"false" maxItems:"100"`
	Methods     *[]string          `json:"methods,omitempty" nullable:"false" maxItems:"20"`
	Paths       *[]string          `json:"paths,omitempty" nullable:"false" maxItems:"100"`
	Origins     *[]string          `json:"origins,omitempty" nullable:"false" maxItems:"20"`
	Plan        *string            `json:"plan,omitempty" maxLength:"40"`
	Limits      *[]Limit           `json:"limits,omitempty" nullable:"false" maxItems:"10"`
	IdleRevoke  *string            `json:"idle_revoke,omitempty" maxLength:"32"`
}

// KeyPath is the parameter of operations on one key.
type KeyPath struct {
	ID string `path:"id" doc:"of the key" pattern:"^[0-9A-Za-z]{12}$" patternDescription:"12 letters and digits" maxLength:"12" example:"7HqLk2mVxWcP"`
}

// Marked is the field of operations that a client may ask for again.
type Marked struct {
	IdempotencyKey string `header:"Idempotency-Key" doc:"makes it safe to ask again: what was done once is answered the same, without the text of a key. Kept for a day." minLength:"1" maxLength:"128" pattern:"^[!-~]+$" patternDescription:"printable ASCII without blanks" example:"5a1f0e62-1"`
}

// Matched is the field of operations on a state that was seen.
type Matched struct {
	IfMatch string `header:"If-Match" doc:"the ETag that was seen, or *" maxLength:"256" example:"\"42\""`
}

func (s *Service) create(ctx context.Context, c *caller, in *struct {
	Marked
	Body KeySpec
},
) (*answer[KeyMade], error) {
	spec, err := in.Body.spec(c)
	if err != nil {
		return nil, err
	}
	record, text, err := s.cfg.Issuer.Create(ctx, c.by(), spec)
	if err != nil {
		return nil, err
	}
	made := KeyMade{Key: viewOf(&record, time.Now()), Text: text.Reveal()}
	return &answer[KeyMade]{ETag: etag(&record), Location: "/v1/keys/" + made.Key.ID, Body: made}, nil
}

func (s *Service) createAll(ctx context.Context, c *caller, in *struct {
	Marked
	Body struct {
		Keys []KeySpec `json:"keys" nullable:"false" minItems:"1" maxItems:"1000"`
	}
},
) (*answer[KeysMade], error) {
	specs := make([]apikey.Spec, len(in.Body.Keys))
	var faults []Fault
	for i := range in.Body.Keys {
		spec, err := in.Body.Keys[i].spec(c)
		if err != nil {
			f := failureOf(err)
			if len(f.faults) == 0 {
				return nil, err
			}
			faults = append(faults, within(i, f.faults)...)
		}
		specs[i] = spec
	}
	if len(faults) > 0 {
		return nil, invalid(faults[:min(len(faults), maxFaults)]...)
	}
	made, err := s.cfg.Issuer.CreateAll(ctx, c.by(), specs)
	if err != nil {
		return nil, err
	}
	out, now := KeysMade{Keys: make([]KeyMade, len(made))}, time.Now()
	for i := range made {
		out.Keys[i] = KeyMade{Key: viewOf(&made[i].Record, now), Text: made[i].Text.Reveal()}
	}
	return &answer[KeysMade]{Body: out}, nil
}

// within names faults of the i-th key of a batch.
func within(i int, faults []Fault) []Fault {
	for k := range faults {
		faults[k].Field = "keys[" + strconv.Itoa(i) + "]." + faults[k].Field
	}
	return faults
}

// spec is what the issuer is asked for.
func (k *KeySpec) spec(c *caller) (apikey.Spec, error) {
	if c.bound() != "" {
		if k.Owner != "" && k.Owner != c.bound() {
			return apikey.Spec{}, fail(problem.NotFound, "There is no such owner.")
		}
		k.Owner = c.bound()
	}
	if k.Environment == "" {
		k.Environment = "live"
	}
	var r reader
	spec := apikey.Spec{
		Environment: apikey.Environment(k.Environment), Kind: apikey.Kind(k.Kind), Name: k.Name, Owner: k.Owner, Scopes: k.Scopes,
		Never: k.Never, Certificate: r.certificate("certificate", k.Certificate), Metadata: k.Metadata,
		Addresses: r.addresses("addresses", k.Addresses), Methods: k.Methods, Paths: k.Paths, Origins: k.Origins,
		Plan: k.Plan, Limits: r.limits("limits", k.Limits), IdleRevoke: r.duration("idle_revoke", k.IdleRevoke),
	}
	if k.Expires != nil {
		spec.Expires = *k.Expires
	}
	return spec, errors.Join(r.err(), specFaults(&spec))
}

// specFaults reports what is wrong with a spec together with what the reader
// found.
func specFaults(spec *apikey.Spec) error {
	if faults := faultsOf(spec.Check(time.Now())); len(faults) > 0 {
		return invalid(faults...)
	}
	return nil
}

// patch is what the issuer is asked for.
func (k *KeyPatch) patch(c *caller) (apikey.Patch, error) {
	var r reader
	if c.bound() != "" && k.Owner != nil && *k.Owner != c.bound() {
		return apikey.Patch{}, fail(problem.NotFound, "There is no such owner.")
	}
	p := apikey.Patch{
		Name: k.Name, Owner: k.Owner, Scopes: k.Scopes, Expires: k.Expires, Metadata: k.Metadata, Methods: k.Methods, Paths: k.Paths,
		Origins: k.Origins, Plan: k.Plan,
	}
	if k.Never {
		if k.Expires != nil {
			r.fault("never_expires", "want either this or expires")
		}
		p.Expires = new(time.Time)
	}
	if k.Certificate != nil {
		p.Certificate = new(r.certificate("certificate", *k.Certificate))
	}
	if k.Addresses != nil {
		p.Addresses = new(r.addresses("addresses", *k.Addresses))
	}
	if k.Limits != nil {
		p.Limits = new(r.limits("limits", *k.Limits))
	}
	if k.IdleRevoke != nil {
		p.IdleRevoke = new(r.duration("idle_revoke", *k.IdleRevoke))
	}
	return p, r.err()
}

// keyQuery is what a list asks for.
type keyQuery struct {
	Owner         string    `query:"owner" doc:"of this owner" maxLength:"128"`
	Environment   string    `query:"environment" doc:"of this environment" maxLength:"16"`
	Kind          string    `query:"kind" enum:"secret,public,honeytoken"`
	State         string    `query:"state" enum:"active,retiring,disabled,revoked,expired"`
	Plan          string    `query:"plan" maxLength:"40"`
	Text          string    `query:"text" doc:"a part of the name, the owner or the id, as it stands" maxLength:"128"`
	ExpiresBefore time.Time `query:"expires_before" doc:"expire before it"`
	Sort          string    `query:"sort" enum:"id,created" doc:"created is the newest first, and the default"`
	Limit         int       `query:"limit" minimum:"1" maximum:"1000" doc:"keys in a page; default 100"`
	Cursor        string    `query:"cursor" doc:"next of the page before, with the same filter and order" maxLength:"256"`
}

const defaultPage = 100

// listTime bounds one page. A store looks at a bounded number of keys for it, which may
// still have to come from a disk, or from another machine.
const listTime = 10 * time.Second

func (s *Service) list(ctx context.Context, c *caller, in *keyQuery) (*answer[KeyPage], error) {
	if c.bound() != "" {
		if in.Owner != "" && in.Owner != c.bound() {
			return nil, fail(problem.NotFound, "There is no such owner.")
		}
		in.Owner = c.bound()
	}
	now := time.Now()
	q := apikey.Filter{
		Owner: in.Owner, Environment: apikey.Environment(in.Environment), Kind: apikey.Kind(in.Kind), State: apikey.State(in.State), Plan: in.Plan,
		Text: in.Text, ExpiresBefore: in.ExpiresBefore.UTC(), Sort: apikey.Sort(in.Sort), Limit: in.Limit, At: now,
	}
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	if q.Sort == "" {
		q.Sort = apikey.SortCreated
	}
	if in.Cursor != "" && !readKeyCursor(&q, in.Cursor) {
		return nil, invalid(Fault{"cursor", "want next of a page with the same filter and order"})
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	page, err := s.cfg.Store.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	out := KeyPage{Keys: make([]Key, len(page.Records))}
	for i := range page.Records {
		out.Keys[i] = viewOf(&page.Records[i], now)
	}
	if page.More {
		out.Next = keyCursor(&q, page.Next)
	}
	return &answer[KeyPage]{Body: out}, nil
}

// find returns a key that is the caller's business.
func (s *Service) find(ctx context.Context, c *caller, id string) (apikey.Record, error) {
	record, err := s.cfg.Store.Lookup(ctx, apikey.ID(id))
	if err == nil && !c.sees(&record) {
		return apikey.Record{}, apikey.ErrNotFound
	}
	return record, err
}

func (s *Service) get(ctx context.Context, c *caller, in *KeyPath) (*answer[KeyBody], error) {
	record, err := s.find(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	return keyAnswer(&record), nil
}

func keyAnswer(r *apikey.Record) *answer[KeyBody] {
	return &answer[KeyBody]{ETag: etag(r), Body: KeyBody{Key: viewOf(r, time.Now())}}
}

// search finds a key by its text, which is in the body: never in a URL. The text
// proves nothing here but which key is meant.
func (s *Service) search(ctx context.Context, c *caller, in *struct {
	Body struct {
		Text string `json:"text" format:"password" doc:"the key, as it was pasted; also one of another system, that was imported" minLength:"1" maxLength:"512" example:"wrd_live_7HqLk2mVxWcP..."`
	}
},
) (*answer[KeyBody], error) {
	text := strings.TrimSpace(in.Body.Text)
	if info, err := apikey.Parse(text); err == nil {
		return s.get(ctx, c, &KeyPath{ID: string(info.ID)})
	}
	id, err := s.imported(ctx, c, text)
	if errors.Is(err, apikey.ErrNotFound) {
		return nil, invalid(Fault{"text", "want the text of a key: its form or its check digits are wrong, and no key of another system has it"})
	}
	if err != nil {
		return nil, err
	}
	return s.get(ctx, c, &KeyPath{ID: string(id)})
}

// imported is the id of the key of another system with this text. To find one is to
// know that the text is right, so that who guesses is held back as at verify.
func (s *Service) imported(ctx context.Context, c *caller, text string) (apikey.ID, error) {
	store, ok := s.cfg.Store.(apikey.LegacyStore)
	if !ok {
		return "", apikey.ErrNotFound
	}
	v := s.verify
	through := v.guess(ctx, c.client, text)
	outcome := exchange.Outcome{Status: http.StatusServiceUnavailable} // nobody knows, until somebody does
	defer func() { v.callers.Done(through, outcome) }()
	if said := v.callers.Check(through); !said.Passed() { //nolint:contextcheck // the exchange has its own
		return "", throttled(said.Problem())
	}
	id, err := apikey.FindImported(ctx, store, s.cfg.Peppers, text)
	if err == nil {
		outcome.Status = http.StatusOK
		if _, err = s.find(ctx, c, string(id)); err == nil {
			return id, nil
		}
	}
	if errors.Is(err, apikey.ErrNotFound) {
		through.Claim, outcome = apikey.ClaimImported, exchange.Outcome{Status: http.StatusUnauthorized, Reason: "unknown"}
	}
	return "", err
}

// seen returns the revision that If-Match names, 0 for whatever there is. The key
// is known to be the caller's business: to one that is bound to an owner at this
// revision alone, since at the next it may be another owner's.
func (c *caller) seen(field string, r *apikey.Record, required bool) (apikey.Revision, error) {
	whatever, err := matches(field, etag(r), required)
	if err != nil || whatever && c.bound() == "" {
		return 0, err
	}
	return r.Revision, nil
}

// matches returns nil when If-Match names tag; whatever when it names whatever there is
// (RFC 9110, section 13.1.1).
func matches(field, tag string, required bool) (whatever bool, err error) {
	switch field = strings.TrimSpace(field); {
	case field == "" && required:
		return false, fail(problem.IfMatchRequired, "Send If-Match with the ETag that you saw, or * for whatever there is.")
	case field == "", field == "*":
		return true, nil
	}
	for one := range strings.SplitSeq(field, ",") {
		if strings.TrimSpace(one) == tag {
			return false, nil
		}
	}
	return false, fail(problem.ChangedMeanwhile, "Get it again, and decide anew.")
}

// meant returns the revision of a key that is the caller's business.
func (s *Service) meant(ctx context.Context, c *caller, id, ifMatch string, required bool) (apikey.Revision, error) {
	record, err := s.find(ctx, c, id)
	if err != nil {
		return 0, err
	}
	return c.seen(ifMatch, &record, required)
}

func (s *Service) update(ctx context.Context, c *caller, in *struct {
	KeyPath
	Matched
	Marked
	Waiting
	Body KeyPatch
},
) (*answer[KeyChanged], error) {
	if _, err := readWait(in.Wait); err != nil {
		return nil, err
	}
	revision, err := s.meant(ctx, c, in.ID, in.IfMatch, true)
	if err != nil {
		return nil, err
	}
	patch, err := in.Body.patch(c)
	if err != nil {
		return nil, err
	}
	record, err := s.cfg.Issuer.Update(ctx, c.by(), apikey.ID(in.ID), revision, patch)
	return s.changed(ctx, &record, in.Wait, err)
}

func (s *Service) roll(ctx context.Context, c *caller, in *struct {
	KeyPath
	Matched
	Marked
	Body struct {
		Overlap    string `json:"overlap,omitempty" doc:"how long the former secret works on, such as 24h; default: it ends at once" maxLength:"32" example:"24h"`
		IdleRetire string `json:"idle_retire,omitempty" doc:"it ends earlier when it was unused for so long" maxLength:"32" example:"1h"`
	}
},
) (*answer[KeyMade], error) {
	revision, err := s.meant(ctx, c, in.ID, in.IfMatch, false)
	if err != nil {
		return nil, err
	}
	var r reader
	spec := apikey.RollSpec{Overlap: r.duration("overlap", in.Body.Overlap), IdleRetire: r.duration("idle_retire", in.Body.IdleRetire)}
	if err := r.err(); err != nil {
		return nil, err
	}
	record, text, err := s.cfg.Issuer.Roll(ctx, c.by(), apikey.ID(in.ID), revision, spec)
	if err != nil {
		return nil, err
	}
	return &answer[KeyMade]{ETag: etag(&record), Body: KeyMade{Key: viewOf(&record, time.Now()), Text: text.Reveal()}}, nil
}

func (s *Service) endOverlap(ctx context.Context, c *caller, in *struct {
	KeyPath
	Matched
	Marked
	Waiting
},
) (*answer[KeyChanged], error) {
	if _, err := readWait(in.Wait); err != nil { // before anything is changed
		return nil, err
	}
	revision, err := s.meant(ctx, c, in.ID, in.IfMatch, false)
	if err != nil {
		return nil, err
	}
	record, err := s.cfg.Issuer.EndOverlap(ctx, c.by(), apikey.ID(in.ID), revision)
	return s.changed(ctx, &record, in.Wait, err)
}

// Waiting is the parameter of changes that take a right away.
type Waiting struct {
	Wait string `query:"wait" doc:"how long to wait for the nodes that run, at most 30s; default 5s" maxLength:"16" example:"5s"`
}

const (
	defaultWait = 5 * time.Second
	maxWait     = 30 * time.Second
)

// changed is the answer to a change, with its receipt.
func (s *Service) changed(ctx context.Context, r *apikey.Record, wait string, err error) (*answer[KeyChanged], error) {
	if err != nil {
		return nil, err
	}
	bound, err := readWait(wait)
	if err != nil {
		return nil, err
	}
	receipt, err := s.await(ctx, r.Revision, bound)
	if err != nil {
		return nil, err
	}
	return &answer[KeyChanged]{ETag: etag(r), Body: KeyChanged{Key: viewOf(r, time.Now()), Receipt: receipt}}, nil
}

func readWait(text string) (time.Duration, error) {
	if text == "" {
		return defaultWait, nil
	}
	var r reader
	d := r.duration("wait", text)
	if d > maxWait {
		r.fault("wait", "want at most 30s")
	}
	return d, r.err()
}

// Turn is the input of changes that need nothing but the key.
type Turn struct {
	KeyPath
	Matched
	Marked
	Waiting
}

// before checks what Turn says, before anything is changed, and returns the
// revision that is meant.
func (s *Service) before(ctx context.Context, c *caller, in *Turn) (apikey.Revision, error) {
	if _, err := readWait(in.Wait); err != nil {
		return 0, err
	}
	return s.meant(ctx, c, in.ID, in.IfMatch, false)
}

func (s *Service) revoke(ctx context.Context, c *caller, in *struct {
	Turn
	Body struct {
		Reason string `json:"reason,omitempty" doc:"a word for the audit, such as key-compromise, superseded, affiliation-changed, privilege-withdrawn or cessation-of-operation; default unspecified" maxLength:"64" pattern:"^[a-z0-9-]*$" patternDescription:"lower case letters, digits and -" example:"key-compromise"`
	}
},
) (*answer[KeyChanged], error) {
	revision, err := s.before(ctx, c, &in.Turn)
	if err != nil {
		return nil, err
	}
	reason := in.Body.Reason
	if reason == "" {
		reason = apikey.ReasonUnspecified
	}
	record, err := s.cfg.Issuer.RevokeAt(ctx, c.by(), apikey.ID(in.ID), revision, reason)
	return s.changed(ctx, &record, in.Wait, err)
}

func (s *Service) disable(ctx context.Context, c *caller, in *Turn) (*answer[KeyChanged], error) {
	return s.turned(ctx, c, in, s.cfg.Issuer.DisableAt)
}

func (s *Service) enable(ctx context.Context, c *caller, in *Turn) (*answer[KeyChanged], error) {
	return s.turned(ctx, c, in, s.cfg.Issuer.EnableAt)
}

func (s *Service) turned(ctx context.Context, c *caller, in *Turn, change func(context.Context, apikey.By, apikey.ID, apikey.Revision) (apikey.Record, error)) (*answer[KeyChanged], error) {
	revision, err := s.before(ctx, c, in)
	if err != nil {
		return nil, err
	}
	record, err := change(ctx, c.by(), apikey.ID(in.ID), revision)
	if err == nil && !record.Revoked.IsZero() {
		return nil, apikey.ErrRevoked
	}
	return s.changed(ctx, &record, in.Wait, err)
}

// Deleted is what is left of a key.
type Deleted struct {
	ID      string  `json:"id" example:"7HqLk2mVxWcP"`
	Receipt Receipt `json:"receipt"`
}

func (s *Service) remove(ctx context.Context, c *caller, in *Turn) (*answer[Deleted], error) {
	wait, err := readWait(in.Wait)
	if err != nil {
		return nil, err
	}
	revision, err := s.meant(ctx, c, in.ID, in.IfMatch, false)
	if err != nil {
		return nil, err
	}
	rev, err := s.cfg.Issuer.Delete(ctx, c.by(), apikey.ID(in.ID), revision)
	if err != nil {
		return nil, err
	}
	receipt, err := s.await(ctx, rev, wait)
	if err != nil {
		return nil, err
	}
	return &answer[Deleted]{Body: Deleted{ID: in.ID, Receipt: receipt}}, nil
}

// Whoami is who asks.
type Whoami struct {
	Actor  string   `json:"actor" doc:"as the audit names you" example:"admin-token"`
	Role   string   `json:"role" example:"owner"`
	Owner  string   `json:"owner,omitempty" doc:"the owner that your token is bound to: you see nobody else's keys"`
	Rights []string `json:"rights" nullable:"false" example:"[\"keys:read\"]"`
	Scheme string   `json:"scheme" doc:"how you proved it" example:"adminToken"`
}

func (s *Service) whoami(_ context.Context, c *caller, _ *struct{}) (*answer[Whoami], error) {
	return &answer[Whoami]{Body: Whoami{
		Actor: c.actor(), Role: c.role(), Owner: c.bound(), Rights: append([]string{}, c.principal.Scopes.Names()...), Scheme: c.principal.Scheme,
	}}, nil
}

// addKeys registers the operations on keys.
func (s *Service) addKeys() {
	const tag = "keys"
	register(s, endpoint{id: "createKey", method: http.MethodPost, path: "/v1/keys", tag: tag, right: WriteKeys, status: http.StatusCreated, once: true, also: onceAlso(), summary: "Make a key", description: "Its text is in this answer and never again."}, s.create)
	register(s, endpoint{id: "createKeys", method: http.MethodPost, path: "/v1/keys:batchCreate", tag: tag, right: WriteKeys, status: http.StatusCreated, once: true, also: onceAlso(), summary: "Make up to 1000 keys: all or none"}, s.createAll)
	s.addImport()
	register(s, endpoint{id: "listKeys", method: http.MethodGet, path: "/v1/keys", tag: tag, right: ReadKeys, also: []int{404}, summary: "List keys, a page at a time", description: "It looks at a bounded number of keys for each page: of filters that few of very many keys match, a page may come back with fewer than limit, or with none, and with next. The last page is the one without next."}, s.list)
	register(s, endpoint{id: "searchKey", method: http.MethodPost, path: "/v1/keys:search", tag: tag, right: ReadKeys, also: bodyAlso(404, 429), summary: "Find a key by its text"}, s.search)
	register(s, endpoint{id: "getKey", method: http.MethodGet, path: "/v1/keys/{id}", tag: tag, right: ReadKeys, also: []int{404}, summary: "Show a key"}, s.get)
	register(s, endpoint{id: "updateKey", method: http.MethodPatch, path: "/v1/keys/{id}", tag: tag, right: WriteKeys, once: true, repeats: true, also: onceAlso(404, 412, 428), summary: "Change what is said of a key", description: "What is absent stays; what is empty is taken away. Id, environment and kind are for good. The receipt says on which nodes it holds."}, s.update)
	register(s, endpoint{id: "rollKey", method: http.MethodPost, path: "/v1/keys/{id}:roll", tag: tag, right: RollKeys, once: true, also: onceAlso(404, 412), summary: "Give a key a new secret", description: "The id stays, and with it limits, credits, usage and audit. The new text is in this answer and never again."}, s.roll)
	register(s, endpoint{id: "endOverlap", method: http.MethodPost, path: "/v1/keys/{id}:endOverlap", tag: tag, right: RollKeys, once: true, repeats: true, also: onceAlso(404, 412), summary: "End what a roll left working, now"}, s.endOverlap)
	register(s, endpoint{id: "revokeKey", method: http.MethodPost, path: "/v1/keys/{id}:revoke", tag: tag, right: WriteKeys, once: true, repeats: true, also: onceAlso(404, 412), summary: "Revoke a key for good", description: "The receipt says on which nodes it holds."}, s.revoke)
	register(s, endpoint{id: "disableKey", method: http.MethodPost, path: "/v1/keys/{id}:disable", tag: tag, right: WriteKeys, once: true, repeats: true, also: onceAlso(404, 412), summary: "Take a key out of use until it is enabled"}, s.disable)
	register(s, endpoint{id: "enableKey", method: http.MethodPost, path: "/v1/keys/{id}:enable", tag: tag, right: WriteKeys, once: true, repeats: true, also: onceAlso(404, 412), summary: "Take a disabled key back into use"}, s.enable)
	register(s, endpoint{id: "deleteKey", method: http.MethodDelete, path: "/v1/keys/{id}", tag: tag, right: DeleteKeys, once: true, repeats: true, also: onceAlso(404, 412), summary: "Delete a key; what is left of it is the audit"}, s.remove)
	register(s, endpoint{id: "whoami", method: http.MethodGet, path: "/v1/whoami", tag: "callers", also: nil, summary: "Show who asks, and what they may do"}, s.whoami)
}

// onceAlso are the statuses of operations that a client may ask for again.
func onceAlso(more ...int) []int { return append([]int{409, 413, 415, 422}, more...) }

// bodyAlso are the statuses of operations with a body.
func bodyAlso(more ...int) []int { return append([]int{413, 415}, more...) }
