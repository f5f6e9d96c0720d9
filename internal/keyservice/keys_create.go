package keyservice

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/warder-dev/warder/apikey"
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
