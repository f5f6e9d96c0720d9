// Package policytest holds a configuration to a table of requests and the answers
// that are expected of it.
package policytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/secret"
)

// A Table is a file of cases.
type Table struct {
	Keys  map[string]Key `yaml:"keys"`
	Cases []Case         `yaml:"cases"`
}

// A Key is a key that exists for the test alone.
type Key struct {
	Owner       string   `yaml:"owner"`
	Environment string   `yaml:"environment"` // default live
	Scopes      wordList `yaml:"scopes"`
	State       string   `yaml:"state"` // active, disabled, revoked or expired; default active
}

// A Case is a request and what is expected of it.
type Case struct {
	Name    string      `yaml:"name"`
	Request Request     `yaml:"request"`
	Expect  Expectation `yaml:"expect"`
}

// A Request is what a case asks.
type Request struct {
	Method  string            `yaml:"method"`
	URL     word              `yaml:"url"`
	Headers map[string]string `yaml:"headers"`
	IP      string            `yaml:"ip"`
	Key     string            `yaml:"key"` // one of the table's
	In      string            `yaml:"in"`  // the scheme that finds it
}

// A Expectation says what is looked at: what is left out may be anything.
type Expectation struct {
	Allowed  *bool             `yaml:"allowed"`
	Status   int               `yaml:"status"`
	Reason   string            `yaml:"reason"`
	Stage    string            `yaml:"stage"`
	Route    string            `yaml:"route"`
	Upstream string            `yaml:"upstream"`
	Path     string            `yaml:"path"`
	Owner    string            `yaml:"owner"`
	Scheme   string            `yaml:"scheme"`
	Header   map[string]string `yaml:"header"` // of the refusal or answer
}

// A word is a text that may hold a colon: within "{...}" the parser takes
// orders:read for a field, which wants a blank behind its colon (YAML 1.2, section
// 7.4.2).
type word string

// UnmarshalYAML reads text, or what the parser took for a field.
func (w *word) UnmarshalYAML(node ast.Node) error {
	switch n := node.(type) {
	case *ast.MappingNode:
		if len(n.Values) == 1 {
			return w.UnmarshalYAML(n.Values[0])
		}
	case *ast.MappingValueNode:
		value, ok := n.Value.(*ast.StringNode)
		if key := n.Key.GetToken(); ok && key.Position.Line == value.Token.Position.Line && value.Token.Position.Column == key.Position.Column+len(key.Value)+len(":") {
			*w = word(key.Value + ":" + value.Value)
			return nil
		}
	case *ast.StringNode:
		*w = word(n.Value)
		return nil
	}
	return errors.New("want text")
}

// A wordList is a list of words.
type wordList []string

// UnmarshalYAML reads a list of texts.
func (w *wordList) UnmarshalYAML(node ast.Node) error {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return errors.New("want a list of texts")
	}
	for _, entry := range list.Values {
		var one word
		if err := one.UnmarshalYAML(entry); err != nil {
			return err
		}
		*w = append(*w, string(one))
	}
	return nil
}

// maxCases bounds a table.
const maxCases = 100_000

// Parse reads a table strictly. Errors begin with "LINE:COLUMN: " where the
// place is known, each on a line.
func Parse(text []byte) (*Table, error) {
	if err := config.ScanYAML(string(text)); err != nil {
		return nil, fmt.Errorf(" %w", err)
	}
	table, err := decode(text)
	if err != nil {
		return nil, err
	}
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(" "+format, args...)) }
	if n := len(table.Cases); n == 0 || n > maxCases {
		wrong("cases: want 1 to %d", maxCases)
	}
	for _, name := range slices.Sorted(maps.Keys(table.Keys)) {
		for _, text := range checkKey(table.Keys[name]) {
			wrong("keys.%s: %s", name, text)
		}
	}
	for i := range table.Cases {
		for _, text := range table.checkCase(&table.Cases[i]) {
			wrong("cases[%d] %q: %s", i, table.Cases[i].Name, text)
		}
	}
	return table, errors.Join(errs...)
}

// decode reads the YAML of a table. What makes the decoder panic, as an empty value
// with a tag does, is an error.
func decode(text []byte) (table *Table, err error) {
	defer func() {
		if recover() != nil {
			table, err = nil, errors.New(" it is no table of cases: the YAML cannot be read")
		}
	}()
	table = new(Table)
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(table); err != nil {
		if at, ok := errors.AsType[yaml.Error](err); ok {
			where := at.GetToken().Position
			return nil, fmt.Errorf("%d:%d: %s", where.Line, where.Column, at.GetMessage())
		}
		return nil, errors.New(" it is no table of cases: " + err.Error())
	}
	return table, nil
}

func checkKey(k Key) (wrong []string) {
	if !slices.Contains([]string{"", string(apikey.Active), string(apikey.Disabled), string(apikey.Revoked), string(apikey.Expired)}, k.State) {
		wrong = append(wrong, fmt.Sprintf("state %q: want active, disabled, revoked or expired", k.State))
	}
	spec := k.spec()
	if err := spec.Check(time.Now()); err != nil {
		wrong = append(wrong, err.Error())
	}
	return wrong
}

func (t *Table) checkCase(c *Case) (wrong []string) {
	if c.Name == "" {
		wrong = append(wrong, "name: is missing")
	}
	if c.Request.URL == "" {
		wrong = append(wrong, "request.url: is missing")
	}
	if _, ok := t.Keys[c.Request.Key]; c.Request.Key != "" && !ok {
		wrong = append(wrong, fmt.Sprintf("request.key: there is no key %q in keys", c.Request.Key))
	}
	if c.Request.In != "" && c.Request.Key == "" {
		wrong = append(wrong, "request.in: has no effect without key")
	}
	if _, err := netip.ParseAddr(c.Request.IP); c.Request.IP != "" && err != nil {
		wrong = append(wrong, "request.ip: want an address such as 192.0.2.7")
	}
	e := &c.Expect
	if e.Allowed == nil && e.Status == 0 && e.Reason == "" && e.Stage == "" && e.Route == "" && e.Upstream == "" && e.Path == "" &&
		e.Owner == "" && e.Scheme == "" && len(e.Header) == 0 {
		wrong = append(wrong, "expect: nothing is expected")
	}
	if e.Allowed != nil && *e.Allowed && (e.Status != 0 || e.Reason != "" || e.Stage != "") {
		wrong = append(wrong, "expect: what is allowed has no status, reason and stage")
	}
	return wrong
}

// spec is the key as it is made; what its state is comes after.
func (k Key) spec() apikey.Spec {
	s := apikey.Spec{Environment: apikey.Environment(k.Environment), Owner: k.Owner, Scopes: k.Scopes}
	if s.Environment == "" {
		s.Environment = "live"
	}
	return s
}

// A Result is what came of one case.
type Result struct {
	Name     string
	Wrong    []string // what was expected, and what was found; none when it holds
	Question server.Question
	Answer   server.Answer
}

// Run judges every case by the configuration. An error means that the table and the
// configuration do not fit, or that there is no randomness.
func (t *Table) Run(ctx context.Context, cfg *config.Config) ([]Result, error) {
	peppers, err := server.TrialPeppers()
	if err != nil {
		return nil, err
	}
	store := new(apikey.MemoryStore)
	texts, err := t.makeKeys(ctx, cfg, store, peppers)
	if err != nil {
		return nil, err
	}
	trial, err := server.NewTrial(server.TrialOptions{Config: cfg, Store: store, Peppers: peppers}) //nolint:contextcheck // it ends at Close
	if err != nil {
		return nil, err
	}
	defer trial.Close() //nolint:contextcheck // it waits for nobody else
	results := make([]Result, 0, len(t.Cases))
	for i := range t.Cases {
		r, err := t.Cases[i].run(trial, texts)
		if err != nil {
			return nil, fmt.Errorf("cases[%d] %q: %w", i, t.Cases[i].Name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

// makeKeys makes the table's keys and returns their texts.
func (t *Table) makeKeys(ctx context.Context, cfg *config.Config, store *apikey.MemoryStore, peppers *apikey.Peppers) (map[string]secret.Text, error) {
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers, Prefix: cfg.Keys.Prefix})
	if err != nil {
		return nil, err
	}
	by := apikey.By{Actor: "system", Source: "test"}
	texts := make(map[string]secret.Text)
	for name, k := range t.Keys {
		record, text, err := issuer.Create(ctx, by, k.spec())
		if err != nil {
			return nil, fmt.Errorf("keys.%s: %w", name, err)
		}
		before := record
		switch apikey.State(k.State) {
		case apikey.Disabled:
			record.Disabled = true
		case apikey.Revoked:
			record.Revoked = time.Now()
		case apikey.Expired:
			record.Expires = time.Now()
		case apikey.Active, apikey.Retiring, "":
		}
		if _, err := store.Apply(ctx, apikey.Change{
			Actor: by.Actor, Source: by.Source, Op: apikey.OpUpdate, At: time.Now(), Before: &before, After: &record,
		}); err != nil {
			return nil, fmt.Errorf("keys.%s: %w", name, err)
		}
		texts[name] = text
	}
	return texts, nil
}

// run judges the case.
func (c *Case) run(trial *server.Trial, texts map[string]secret.Text) (Result, error) {
	q := server.Question{Method: c.Request.Method, URL: string(c.Request.URL)}
	if q.Method == "" {
		q.Method = "GET"
	}
	for _, name := range slices.Sorted(maps.Keys(c.Request.Headers)) {
		q.Header = append(q.Header, name+": "+c.Request.Headers[name])
	}
	if c.Request.IP != "" {
		q.Client = netip.MustParseAddr(c.Request.IP).Unmap() // checked
	}
	shown := q
	if c.Request.Key != "" {
		if err := trial.Carry(&q, texts[c.Request.Key], c.Request.In); err != nil {
			return Result{}, err
		}
	}
	answer, err := trial.Ask(q)
	if err != nil {
		return Result{}, err
	}
	return Result{Name: c.Name, Wrong: c.Expect.compare(&answer), Question: shown, Answer: answer}, nil
}

// compare lists what is not as expected.
func (e *Expectation) compare(a *server.Answer) (wrong []string) {
	differ := func(what, got, want string) {
		if want != "" && got != want {
			wrong = append(wrong, fmt.Sprintf("%s: want %q, got %q", what, want, got))
		}
	}
	if e.Allowed != nil && a.Allowed != *e.Allowed {
		wrong = append(wrong, fmt.Sprintf("allowed: want %v, got %v", *e.Allowed, a.Allowed))
	}
	if e.Status != 0 && a.Status != e.Status {
		got := fmt.Sprint(a.Status)
		if a.Allowed {
			got = "a pass"
		}
		wrong = append(wrong, fmt.Sprintf("status: want %d, got %s", e.Status, got))
	}
	differ("reason", a.Reason, e.Reason)
	differ("stage", a.Stage, e.Stage)
	differ("route", a.Route, e.Route)
	differ("upstream", a.Upstream, e.Upstream)
	differ("path", a.Path, e.Path)
	differ("owner", a.Principal.Owner, e.Owner)
	differ("scheme", a.Principal.Scheme, e.Scheme)
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		differ("header "+name, strings.Join(a.Header.Values(name), ", "), e.Header[name])
	}
	return wrong
}
