package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/secret"
)

// A node is a warder that runs, and is asked about itself: what it counted, and what
// it judges by.
type node interface {
	// Place is where it answers, for a person.
	Place() string
	Limits(ctx context.Context) (keyservice.RunningLimits, error)
	// Refused are those that a limit has refused most often, at most so many.
	Refused(ctx context.Context, limit string, number int) (keyservice.RefusedSubjects, error)
	// Subject does what with a subject of a limit: standing, reset or override. Of q the
	// first two take the subject alone.
	Subject(ctx context.Context, what, limit string, q keyservice.LimitOverride) (keyservice.SubjectStanding, error)
	Drift(ctx context.Context) (keyservice.OpenAPIDrift, error)
	Confirm(ctx context.Context, document string) (keyservice.DocumentConfirmed, error)
	Shadow(ctx context.Context) (keyservice.ShadowReport, error)
}

// asksNode is which warder the commands about a node ask.
const asksNode = `The warder that runs here is asked on its admin listener, with the token beside its
database: that wants the same configuration as warder serve, and its user. With
--server the one that answers there is asked, and the same is printed. Of several nodes
each tells of itself alone.`

// addNodeFlags gives commands about a node their flags.
func addNodeFlags(commands ...*cobra.Command) {
	for _, one := range commands {
		addConfigFlags(one, "admin-listen", "db")
		addRemoteFlags(one)
		one.PersistentFlags().Lookup("server").Usage = "ask the admin API of a warder that runs there, such as http://127.0.0.1:8081, in place of the one that runs here"
		one.Flags().StringP("output", "o", string(asTable), "table, json or yaml")
		completeOutput(one, asTable, asJSON, asYAML)
	}
}

// withNode calls use with the warder that runs here, or with that of --server.
func withNode(cmd *cobra.Command, p *process, use func(n node, form format) error) error {
	output, err := cmd.Flags().GetString("output")
	if err != nil {
		return err
	}
	form, err := parseFormat(output, asTable, asJSON, asYAML)
	if err != nil {
		return err
	}
	if isRemote(cmd) {
		return withRemoteNode(cmd, p, func(n node) error { return use(n, form) })
	}
	n, err := newLocalNode(cmd, p)
	if err != nil {
		return err
	}
	return use(n, form)
}

// isNodeName reports whether a limit or a document may be called so.
func isNodeName(name string) bool {
	return name != "" && strings.Trim(name, lowerCase+digits+"-_") == ""
}

// A localNode is the warder that runs here: it is asked on its admin listener.
type localNode struct {
	base  string
	token secret.Text
}

// newLocalNode finds the admin listener, and its token.
func newLocalNode(cmd *cobra.Command, p *process) (*localNode, error) {
	cfg, err := keysConfig(cmd, p)
	if err != nil {
		return nil, err
	}
	base, err := adminBase(cfg)
	if err != nil {
		return nil, err
	}
	token, err := readAdminToken(adminTokenFile(cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail(exitNotFound, "name the database of the warder that runs by --db, or ask another by --server", "admin token: there is none at %s; warder serve makes it", adminTokenFile(cfg))
	}
	if err != nil {
		return nil, err
	}
	return &localNode{base: base, token: token}, nil
}

// adminBase is the URL of the admin listener as it is reached from here.
func adminBase(cfg *config.Config) (string, error) {
	host, port, err := net.SplitHostPort(cfg.AdminListen)
	if err != nil || port == "0" {
		return "", fail(exitUsage, "name its address by --admin-listen", "the admin listener is off or on a port of its own choice")
	}
	if address, err := netip.ParseAddr(host); host == "" || err == nil && address.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

func (n *localNode) Place() string { return strings.TrimPrefix(n.base, "http://") }

func (n *localNode) Limits(ctx context.Context) (all keyservice.RunningLimits, err error) {
	err = n.ask(ctx, http.MethodGet, "/v1/limits", nil, &all)
	return all, err
}

func (n *localNode) Refused(ctx context.Context, limit string, number int) (all keyservice.RefusedSubjects, err error) {
	err = n.ask(ctx, http.MethodGet, "/v1/limits/"+limit+"/top?n="+strconv.Itoa(number), nil, &all)
	return all, err
}

func (n *localNode) Subject(ctx context.Context, what, limit string, q keyservice.LimitOverride) (v keyservice.SubjectStanding, err error) {
	var body any = q
	if what != "override" {
		body = q.LimitSubject
	}
	err = n.ask(ctx, http.MethodPost, "/v1/limits/"+limit+":"+what, body, &v)
	return v, err
}

func (n *localNode) Drift(ctx context.Context) (all keyservice.OpenAPIDrift, err error) {
	err = n.ask(ctx, http.MethodGet, "/v1/openapi/drift", nil, &all)
	return all, err
}

func (n *localNode) Confirm(ctx context.Context, document string) (v keyservice.DocumentConfirmed, err error) {
	err = n.ask(ctx, http.MethodPost, "/v1/openapi/"+document+":confirm", nil, &v)
	return v, err
}

func (n *localNode) Shadow(ctx context.Context) (v keyservice.ShadowReport, err error) {
	err = n.ask(ctx, http.MethodGet, "/v1/shadow", nil, &v)
	return v, err
}

// ask sends one request and reads the answer into to.
func (n *localNode) ask(ctx context.Context, method, path string, body, to any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var sent io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, n.base+path, sent)
	if err != nil {
		return err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", bearer(n.token))
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r) // no redirect is followed, no proxy is asked
	if err != nil {
		return fail(exitServer, "does warder serve run, with this --admin-listen?", "the admin listener does not answer on %s", n.Place())
	}
	defer response.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fail(exitServer, "", "the admin listener's answer broke off: %w", err)
	}
	switch response.StatusCode {
	case http.StatusOK:
		if err := json.Unmarshal(answer, to); err != nil {
			return fail(exitServer, "", "the admin listener's answer is not what was expected")
		}
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return fail(exitDenied, "name the database of the warder that answers there by --db", "the admin listener does not know the token of this database")
	}
	return refusedBy(response.StatusCode, answer)
}

// refusedBy is what the admin listener said to a request that it did not do.
func refusedBy(status int, answer []byte) error {
	var said keyservice.Problem
	if err := json.Unmarshal(answer, &said); err != nil || said.Type == "" || said.Detail == "" {
		return fail(exitServer, "is it a warder of this version?", "the admin listener answered with status %d", status)
	}
	text, hint := clean(said.Detail), ""
	if len(said.Errors) > 0 {
		var all []string
		for _, f := range said.Errors {
			all = append(all, clean(f.Field)+": "+clean(f.Message))
			if f.Field == "parts" {
				hint = "write each like key=ID or address=192.0.2.1, behind the limit's name"
			}
		}
		text = strings.Join(all, "; ")
	}
	switch {
	case status == http.StatusNotFound:
		return fail(exitNotFound, "warder limits show lists the limits, warder openapi drift the documents", "%s", text)
	case status >= http.StatusInternalServerError:
		return fail(exitServer, "", "%s", text)
	default:
		return fail(exitUsage, hint, "%s", text)
	}
}
