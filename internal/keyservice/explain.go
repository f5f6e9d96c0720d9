package keyservice

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/warder-dev/warder/apikey"
)

// RequestQuestion is a request that nobody sends, as a client of the API names it.
type RequestQuestion struct {
	URL      string   `json:"url" doc:"absolute, http or https, without user and fragment" minLength:"1" maxLength:"8192" example:"https://api.example.com/orders/17"`
	Method   string   `json:"method,omitempty" doc:"default GET" maxLength:"32" pattern:"^[A-Z-]+$" patternDescription:"a method in upper case" example:"GET"`
	Headers  []string `json:"headers,omitempty" nullable:"false" doc:"lines of the request's header, Name: value" maxItems:"100" example:"[\"Accept: application/json\"]"`
	Listener string   `json:"listener,omitempty" doc:"the listener that it comes to, by its name in listeners; default: that of listen" maxLength:"63" pattern:"^[a-z0-9][a-z0-9_-]*$" patternDescription:"a name of a listener" example:"internal"`
	Address  string   `json:"address,omitempty" doc:"the client's, as it is found behind proxies; default 192.0.2.1, which is nobody's" maxLength:"45" example:"192.0.2.7"`
	KeyID    string   `json:"key_id,omitempty" doc:"judge as the holder of this key, whose text is not needed" maxLength:"12" pattern:"^[0-9A-Za-z]{12}$" patternDescription:"12 letters and digits" example:"7HqLk2mVxWcP"`
	Key      string   `json:"key,omitempty" format:"password" doc:"the text of a key that the request carries, in place of key_id" maxLength:"512"`
	In       string   `json:"in,omitempty" doc:"the scheme that finds the key; default: the first of the route that takes keys" maxLength:"64" example:"apiKey"`
}

// Explanation is what would become of a request. No credential is in it.
type Explanation struct {
	Allowed   bool            `json:"allowed" example:"true"`
	Verdict   string          `json:"verdict" enum:"passed,refused,answered,failed" example:"passed"`
	Status    int             `json:"status,omitempty" doc:"that the client would get; absent when the request would pass, since then the upstream says"`
	Reason    string          `json:"reason,omitempty" doc:"the word of the log"`
	Stage     string          `json:"stage,omitempty" doc:"that had the last word"`
	Detail    string          `json:"detail,omitempty" doc:"what the client would read"`
	Failure   string          `json:"failure,omitempty" doc:"what could not be judged"`
	Route     string          `json:"route,omitempty" doc:"the pattern that matches" example:"GET /orders/"`
	Upstream  string          `json:"upstream,omitempty" doc:"where it would go" example:"orders"`
	Path      string          `json:"path,omitempty" doc:"that the upstream would get, with what looks like a secret masked" example:"/orders/17"`
	Principal string          `json:"principal,omitempty" doc:"whom the credential proves" example:"7HqLk2mVxWcP"`
	Owner     string          `json:"owner,omitempty" example:"acme"`
	Scheme    string          `json:"scheme,omitempty" doc:"that proved it" example:"apiKey"`
	Steps     []ExplainedStep `json:"steps" nullable:"false" doc:"what each stage said, in order"`
}

// ExplainedStep is what one stage said.
type ExplainedStep struct {
	Stage    string    `json:"stage" example:"authn"`
	Verdict  string    `json:"verdict" enum:"passed,refused,answered,failed,not reached" example:"passed"`
	Reason   string    `json:"reason,omitempty" doc:"the word of the log"`
	Findings []Finding `json:"findings,omitempty" nullable:"false" doc:"the rules that it rests on"`
}

// Finding is one rule, and what came of it.
type Finding struct {
	Rule   string `json:"rule" example:"scheme apiKey"`
	Result string `json:"result" example:"proves"`
	Detail string `json:"detail,omitempty"`
}

// A Question is a request to explain.
type Question struct {
	RequestQuestion

	Client netip.Addr     // of Address; invalid for the default
	Holder *apikey.Record // of KeyID; nil for none
}

// A FieldError is what is wrong with a member of a question, by its name.
type FieldError struct{ Field, Message string }

func (e *FieldError) Error() string { return "keyservice: " + e.Field + ": " + e.Message }

var errNoExplain = errors.New("keyservice: nothing judges requests here")

// maxExplaining is how many requests are explained at once: passwords and others'
// answers cost time.
const maxExplaining = 2

func (s *Service) addExplain() {
	s.explaining = make(chan struct{}, maxExplaining)
	register(s, endpoint{
		id: "explainRequest", method: http.MethodPost, path: "/v1/explain", tag: "requests", right: Explain, also: bodyAlso(404),
		summary:     "Say what would become of a request, and why",
		description: "The configuration in force judges, and its limits and credits as they stand. Nothing is sent to an upstream, counted, spent or changed.",
	}, s.explain)
}

func (s *Service) explain(ctx context.Context, c *caller, in *struct {
	Body RequestQuestion
},
) (*answer[Explanation], error) {
	if s.cfg.Explain == nil {
		return nil, errNoExplain
	}
	q, err := s.question(ctx, c, &in.Body)
	if err != nil {
		return nil, err
	}
	select {
	case s.explaining <- struct{}{}:
		defer func() { <-s.explaining }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	e, err := s.cfg.Explain(ctx, q)
	if wrong, ok := errors.AsType[*FieldError](err); ok {
		return nil, invalid(Fault{wrong.Field, wrong.Message})
	}
	if err != nil {
		return nil, err
	}
	return &answer[Explanation]{Body: e}, nil
}

// question reads what the schema cannot check.
func (s *Service) question(ctx context.Context, c *caller, asked *RequestQuestion) (*Question, error) {
	q := &Question{RequestQuestion: *asked}
	var r reader
	if asked.Address != "" {
		address, err := netip.ParseAddr(asked.Address)
		if err != nil {
			r.fault("address", "want an IP address")
		}
		q.Client = address.Unmap().WithZone("")
	}
	for i, line := range asked.Headers {
		if len(line) > maxHeaderLine {
			r.fault("headers["+strconv.Itoa(i)+"]", "is too long")
		}
	}
	switch {
	case asked.KeyID != "" && asked.Key != "":
		r.fault("key", "is given together with key_id: one key is enough")
	case asked.In != "" && asked.KeyID == "" && asked.Key == "":
		r.fault("in", "has no effect without key or key_id")
	}
	if err := r.err(); err != nil || asked.KeyID == "" {
		return q, err
	}
	record, err := s.cfg.Store.Lookup(ctx, apikey.ID(asked.KeyID))
	if err == nil && !c.sees(&record) {
		err = apikey.ErrNotFound
	}
	q.Holder = &record
	return q, err
}

// maxHeaderLine is the longest line of a header in a question, in bytes.
const maxHeaderLine = 8 << 10
