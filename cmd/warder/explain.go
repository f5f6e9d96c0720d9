package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/secret"
)

// explaining are the flags of explain.
type explaining struct {
	url, method, ip, keyID, scheme, listener, output string
	header                                           []string
	keyStdin                                         bool
}

func newExplain(p *process) *cobra.Command {
	var e explaining
	cmd := &cobra.Command{
		Use:   "explain --url URL",
		Short: "Tell what would become of a request, and why",
		Long: `Tell what would become of a request, and why: each stage and rule, and the answer.

Nothing is sent, counted or changed, and no gateway need run: the configuration and
the keys of the database decide. Limits and credits are taken for unspent. --ip is
the client's address as forwarded would find it behind proxies.

--key-id judges as the holder of that key, whose text is not needed; --key-stdin
reads the text of a key from standard input, one line. The key is put where the
route looks for it, or where the scheme of --in does.

With --server a warder that runs is asked, by its admin API: its configuration
decides, with limits and credits as they stand there.

The exit code is 0 for a request that would pass, and 3 for one that would not.`,
		Example: `  warder explain --config warder.yaml --url https://api.example.com/orders/1 --key-id 2mZ4...
  echo "$KEY" | warder explain --url http://localhost/orders --method POST --key-stdin --ip 192.0.2.7`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.run(cmd, p) },
	}
	addConfigFlags(cmd, serveFlags()...)
	addRemoteFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&e.url, "url", "", "the request's URL, absolute")
	f.StringVar(&e.method, "method", "GET", "the request's method")
	f.StringVar(&e.ip, "ip", "", "the client's address (default 192.0.2.1, which is nobody's)")
	f.StringVar(&e.listener, "listener", "", "the listener that the request comes to, by its name in listeners (default: that of listen)")
	f.StringArrayVar(&e.header, "header", nil, "a line \"Name: value\" of the request's header; may be repeated")
	f.StringVar(&e.keyID, "key-id", "", "judge as the holder of this key")
	f.BoolVar(&e.keyStdin, "key-stdin", false, "read the text of the key from standard input")
	f.StringVar(&e.scheme, "in", "", "the scheme that finds the key (default: the first of the route that takes keys)")
	f.StringVarP(&e.output, "output", "o", string(asTable), "table, json or yaml")
	return cmd
}

func (e *explaining) run(cmd *cobra.Command, p *process) error {
	form, err := parseFormat(e.output, asTable, asJSON, asYAML)
	if err != nil {
		return err
	}
	question, err := e.question()
	if err != nil {
		return err
	}
	if isRemote(cmd) {
		v, err := e.askServer(cmd, p)
		if err != nil {
			return err
		}
		return e.show(p, form, v)
	}
	cfg, err := loadConfig(source(cmd.Flags(), p.environ))
	if err != nil {
		return err
	}
	if _, known := cfg.Listeners[e.listener]; !known && e.listener != "" {
		return fail(exitUsage, "name one of listeners, or leave it out for the listener of listen", "--listener: the configuration has no listener called %q", e.listener)
	}
	keys, peppers, done, err := explainedKeys(cmd.Context(), p, cfg)
	if err != nil {
		return err
	}
	defer done()
	answer, err := e.ask(cmd.Context(), p, cfg, question, keys, peppers)
	if err != nil {
		return err
	}
	return e.show(p, form, viewAnswer(&question, &answer))
}

// show prints an answer, and says by the exit code whether the request would pass.
func (e *explaining) show(p *process, form format, v answerView) error {
	if err := form.print(p.stdout, v, nil, v.table); err != nil {
		return err
	}
	if !v.Allowed {
		return told{exitDenied}
	}
	return nil
}

// question checks the flags.
func (e *explaining) question() (q server.Question, err error) {
	var errs []error
	if e.url == "" {
		errs = append(errs, errors.New("--url is missing: name the request's URL, such as https://api.example.com/orders"))
	}
	if e.keyID != "" && e.keyStdin {
		errs = append(errs, errors.New("--key-id and --key-stdin are given together: one key is enough"))
	}
	if e.keyID != "" && !apikey.ValidID(e.keyID) {
		errs = append(errs, errors.New("--key-id: want the 12 letters and digits of a key's id"))
	}
	if e.scheme != "" && e.keyID == "" && !e.keyStdin {
		errs = append(errs, errors.New("--in has no effect without --key-id or --key-stdin"))
	}
	q = server.Question{Method: e.method, URL: e.url, Header: e.header, Listener: e.listener}
	if e.ip != "" {
		address, err := netip.ParseAddr(e.ip)
		if err != nil {
			errs = append(errs, errors.New("--ip: want an address such as 192.0.2.7"))
		}
		q.Client = address.Unmap()
	}
	if err := errors.Join(errs...); err != nil {
		return q, fail(exitUsage, "warder explain --help tells more", "%w", err)
	}
	return q, nil
}

// explainedKeys opens the database, and never makes one: without any there are no
// keys.
func explainedKeys(ctx context.Context, p *process, cfg *config.Config) (keys apikey.Store, peppers *apikey.Peppers, done func(), err error) {
	if noDatabase(cfg) {
		peppers, err = server.TrialPeppers()
		return new(apikey.MemoryStore), peppers, func() {}, err
	}
	store, err := openStore(ctx, cfg, stderrLog(p))
	if err != nil {
		return nil, nil, nil, err
	}
	return store.keys, store.peppers, func() { _ = store.db.Close() }, nil
}

// ask judges the question with the key that was named.
func (e *explaining) ask(ctx context.Context, p *process, cfg *config.Config, q server.Question, keys apikey.Store, peppers *apikey.Peppers) (server.Answer, error) {
	var text secret.Text
	switch {
	case e.keyID != "":
		record, err := findKey(ctx, keys, apikey.ID(e.keyID))
		if err != nil {
			return server.Answer{}, err
		}
		record, text, err = apikey.StandIn(record, peppers)
		if err != nil {
			return server.Answer{}, fail(exitServer, "", "%w", err)
		}
		keys = lone{record}
	case e.keyStdin:
		line, err := pastedLine(p.stdin)
		if err != nil {
			return server.Answer{}, err
		}
		text = secret.New(line)
	}
	tokenKeys, err := existingTokenKeys(cfg)
	if err != nil {
		return server.Answer{}, err
	}
	trial, err := server.NewTrial(server.TrialOptions{Config: cfg, Store: readOnly{keys}, Peppers: peppers, TokenKeys: tokenKeys}) //nolint:contextcheck // it ends at Close
	if err != nil {
		return server.Answer{}, fail(causeOf(err), "", "%w", err)
	}
	defer trial.Close() //nolint:contextcheck // it waits for nobody else
	if !text.IsZero() {
		if err := trial.Carry(&q, text, e.scheme); err != nil {
			return server.Answer{}, fail(exitUsage, "", "%w", err)
		}
	}
	answer, err := trial.Ask(q)
	if err != nil {
		return answer, fail(exitUsage, "", "%w", err)
	}
	return answer, nil
}

var errReadOnly = errors.New("nothing is written while a request is explained")

// readOnly is a store that nobody changes, such as by moving a digest to another
// pepper.
type readOnly struct{ apikey.Store }

// LookupDigest finds keys of other systems, where the store can.
func (r readOnly) LookupDigest(ctx context.Context, format string, digest [32]byte) (apikey.Record, error) {
	if legacy, ok := r.Store.(apikey.LegacyStore); ok {
		return legacy.LookupDigest(ctx, format, digest)
	}
	return apikey.Record{}, apikey.ErrNotFound
}

func (readOnly) Apply(context.Context, apikey.Change) (apikey.Revision, error) { return 0, errReadOnly }

// lone is a store of one key.
type lone struct{ record apikey.Record }

func (l lone) Lookup(_ context.Context, id apikey.ID) (apikey.Record, error) {
	if id != l.record.ID {
		return apikey.Record{}, apikey.ErrNotFound
	}
	return l.record, nil
}

func (lone) Apply(context.Context, apikey.Change) (apikey.Revision, error) { return 0, errReadOnly }

// An answerView is what a person or a script sees of an answer. No credential is in
// it: the question's header is not.
type answerView struct {
	Method    string     `json:"method" yaml:"method"`
	URL       string     `json:"url" yaml:"url"`
	Allowed   bool       `json:"allowed" yaml:"allowed"`
	Verdict   string     `json:"verdict" yaml:"verdict"` // passed, refused, answered or failed
	Status    int        `json:"status,omitempty" yaml:"status,omitempty"`
	Reason    string     `json:"reason,omitempty" yaml:"reason,omitempty"`
	Stage     string     `json:"stage,omitempty" yaml:"stage,omitempty"`
	Detail    string     `json:"detail,omitempty" yaml:"detail,omitempty"`
	Failure   string     `json:"failure,omitempty" yaml:"failure,omitempty"`
	Route     string     `json:"route,omitempty" yaml:"route,omitempty"`
	Upstream  string     `json:"upstream,omitempty" yaml:"upstream,omitempty"`
	Path      string     `json:"path,omitempty" yaml:"path,omitempty"`
	Principal string     `json:"principal,omitempty" yaml:"principal,omitempty"`
	Owner     string     `json:"owner,omitempty" yaml:"owner,omitempty"`
	Scheme    string     `json:"scheme,omitempty" yaml:"scheme,omitempty"`
	Steps     []stepView `json:"steps" yaml:"steps"`
}

type stepView struct {
	Stage    string        `json:"stage" yaml:"stage"`
	Verdict  string        `json:"verdict" yaml:"verdict"` // passed, refused, answered, failed, or "not reached"
	Reason   string        `json:"reason,omitempty" yaml:"reason,omitempty"`
	Findings []findingView `json:"findings,omitempty" yaml:"findings,omitempty"`
}

type findingView struct {
	Rule   string `json:"rule" yaml:"rule"`
	Result string `json:"result" yaml:"result"`
	Detail string `json:"detail,omitempty" yaml:"detail,omitempty"`
}

func viewAnswer(q *server.Question, a *server.Answer) answerView {
	v := answerView{
		Method: q.Method, URL: q.URL, Allowed: a.Allowed, Verdict: a.Verdict.String(), Status: a.Status, Reason: a.Reason, Stage: a.Stage, Detail: a.Detail, Failure: a.Failure,
		Route: a.Route, Upstream: a.Upstream, Path: a.Path, Principal: a.Principal.Subject, Owner: a.Principal.Owner, Scheme: a.Principal.Scheme,
	}
	for _, s := range a.Steps {
		step := stepView{Stage: s.Stage, Verdict: "not reached"}
		if s.Reached {
			step.Verdict, step.Reason = s.Verdict.Kind().String(), s.Verdict.Reason()
		}
		for _, f := range s.Findings {
			step.Findings = append(step.Findings, findingView(f))
		}
		v.Steps = append(v.Steps, step)
	}
	return v
}

// table prints the answer for a person: the stages first, the sum at the end.
func (v answerView) table(w io.Writer) error {
	rows := [][]string{{"STAGE", "VERDICT", "WHY"}}
	for _, s := range v.Steps {
		rows = append(rows, []string{s.Stage, s.Verdict, s.Reason})
		for _, f := range s.Findings {
			rows = append(rows, []string{"  " + f.Rule, f.Result, f.Detail})
		}
	}
	if err := printRows(w, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", v.sum())
	return err
}

// sum is the answer in one line.
func (v answerView) sum() string {
	where := "no route matches"
	if v.Route != "" {
		where = "route " + strconv.Quote(v.Route)
	}
	if v.Allowed {
		to := "the gateway answers itself"
		if v.Upstream != "" {
			to = "to " + v.Upstream + " as " + v.Path
		}
		return fmt.Sprintf("allowed: %s, %s", where, to)
	}
	text := fmt.Sprintf("%s: %d %s by %s, %s", v.Verdict, v.Status, v.Reason, v.Stage, where)
	if detail := strings.TrimSpace(v.Detail); detail != "" {
		text += ": " + detail
	}
	return text
}
