package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/secret"
)

// holderPath is where the examples have the commands of holders, and hence where they
// are looked for.
const holderPath = "/_warder/me"

func newWhoami(p *process) *cobra.Command {
	var output, header string
	cmd := &cobra.Command{
		Use:   "whoami [-|FILE]",
		Short: "Show whom a token, or a key, proves, and what it may do",
		Long: `Show whom a token, or a key, proves, and what it may do.

Without an argument the admin API of --server tells who asks there: the role, the owner
that the token is bound to, and the rights.

With the text of a key, from standard input, a file or WARDER_KEY, the gateway of --server
tells its holder what the key is: its state, scopes, limits and credits. That is a path
of its own, holder.path of the configuration; it is looked for at ` + holderPath + `, unless
the address says another one.

The exit code is 3 for a token or a key that proves nobody.`,
		Example: `  warder whoami --server http://127.0.0.1:8081 --token-file warder.db.admin
  echo "$KEY" | warder whoami - --server https://api.example.com
  warder whoami key.txt --server https://api.example.com/me`,
		Args: wants("no argument for a token; for a key - and the key on standard input, or a file that holds it", 0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML)
			if err != nil {
				return err
			}
			if !isRemote(cmd) {
				return fail(exitUsage, "warder whoami --server http://127.0.0.1:8081 --token-file warder.db.admin", "--server is missing: name the warder that is asked")
			}
			text, isKey, err := whoseKey(p, args)
			switch {
			case err != nil:
				return err
			case isKey:
				return askHolder(cmd, p, form, text, header)
			default:
				return askWhoami(cmd, p, form)
			}
		},
	}
	addRemoteFlags(cmd)
	cmd.Flags().StringVar(&header, "header", "X-API-Key", "the field of the request in which the gateway takes the key")
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table, json or yaml")
	completeOutput(cmd, asTable, asJSON, asYAML)
	return cmd
}

// whoseKey is the text of the key that is asked about, if one is.
func whoseKey(p *process, args []string) (text secret.Text, isKey bool, _ error) {
	if len(args) == 0 {
		line, _ := lookup(p.environ, "WARDER_KEY")
		return secret.New(line), line != "", nil
	}
	line, err := keyText(args[0], p.stdin)
	return secret.New(line), true, err
}

// A callerView is what a person or a script sees of who asks the admin API.
type callerView struct {
	Actor  string   `json:"actor" yaml:"actor"`
	Role   string   `json:"role" yaml:"role"`
	Owner  string   `json:"owner,omitempty" yaml:"owner,omitempty"`
	Scheme string   `json:"scheme" yaml:"scheme"`
	Rights []string `json:"rights" yaml:"rights"`
}

// askWhoami asks the admin API who asks.
func askWhoami(cmd *cobra.Command, p *process, form format) error {
	r, err := openRemote(cmd, p, "")
	if err != nil {
		return err
	}
	defer r.Close()
	me, err := r.Whoami(cmd.Context())
	if err != nil {
		return r.failure(cmd.Context(), err, "whoami")
	}
	v := callerView{me.Value.Actor, me.Value.Role, me.Value.Owner, me.Value.Scheme, append([]string{}, me.Value.Rights...)}
	return form.print(p.stdout, v, nil, func(w io.Writer) error {
		return printRows(w, [][]string{
			{"actor", shown(v.Actor)},
			{"role", dash(shown(v.Role))},
			{"owner", dash(shown(v.Owner))},
			{"proved by", dash(shown(v.Scheme))},
			{"rights", dash(strings.Join(v.Rights, " "))},
		})
	})
}

// A holderView is what a person or a script sees of a key that its holder asks about.
type holderView struct {
	ID          string       `json:"id" yaml:"id"`
	State       string       `json:"state" yaml:"state"`
	Environment string       `json:"environment" yaml:"environment"`
	Name        string       `json:"name" yaml:"name"`
	Scopes      []string     `json:"scopes" yaml:"scopes"`
	Created     time.Time    `json:"created" yaml:"created"`
	Expires     *time.Time   `json:"expires,omitempty" yaml:"expires,omitempty"`
	Limits      []string     `json:"limits,omitempty" yaml:"limits,omitempty"`
	Credits     *int64       `json:"credits_remaining,omitempty" yaml:"credits_remaining,omitempty"`
	Secrets     []secretView `json:"secrets" yaml:"secrets"`
}

func viewHolder(own *keyservice.Own) holderView {
	v := holderView{
		ID: own.ID, State: own.State, Environment: own.Environment, Name: own.Name, Scopes: append([]string{}, own.Scopes...), Created: own.Created, Expires: own.Expires,
		Credits: own.Credits, Secrets: []secretView{},
	}
	for _, l := range own.Limits {
		v.Limits = append(v.Limits, standingText(&client.Standing{Name: l.Name, Count: l.Count, Per: l.Per, Burst: cmp.Or(l.Burst, l.Count)}))
	}
	for _, s := range own.Secrets {
		v.Secrets = append(v.Secrets, secretView{Number: s.Number, Created: s.Created, Retires: s.Retires, Idle: s.IdleRetire, Format: s.Format})
	}
	return v
}

func (v *holderView) rows() [][]string {
	rows := [][]string{
		{"id", v.ID},
		{"state", v.State},
		{"environment", v.Environment},
		{"name", dash(shown(v.Name))},
		{"scopes", dash(strings.Join(v.Scopes, " "))},
		{"created", v.Created.Format(time.RFC3339)},
		{"expires", moment(v.Expires, "never")},
	}
	if len(v.Limits) > 0 {
		rows = append(rows, []string{"limits", strings.Join(v.Limits, " ")})
	}
	if v.Credits != nil {
		rows = append(rows, []string{"credits", number(*v.Credits)})
	}
	for _, s := range v.Secrets {
		if s.Retires != nil {
			rows = append(rows, []string{fmt.Sprintf("secret %d", s.Number), "until " + s.Retires.Format(time.RFC3339)})
		}
	}
	return rows
}

// askHolder asks the gateway what the key is.
func askHolder(cmd *cobra.Command, p *process, form format, text secret.Text, header string) error {
	address, err := holderURL(flagText(cmd, "server"))
	if err != nil {
		return err
	}
	roots, err := remoteRoots(flagText(cmd, "ca-file"))
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true} // no proxy: the key is for the gateway alone
	status, answer, err := askOwn(cmd.Context(), transport, address, header, text)
	if err != nil {
		return err
	}
	var own keyservice.Own
	switch {
	case status == http.StatusOK && json.Unmarshal(answer, &own) == nil && apikey.ValidID(own.ID):
		v := viewHolder(&own)
		return form.print(p.stdout, v, nil, func(w io.Writer) error { return printRows(w, v.rows()) })
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fail(exitDenied, "is it the key of this gateway, and does it take keys in the field "+printable(header)+"?", "whoami: the key proves nobody there: the gateway answered %d%s", status, detailOf(answer))
	case status == http.StatusTooManyRequests:
		return fail(exitDenied, "wait, and ask again", "whoami: the gateway answered 429%s", detailOf(answer))
	case status >= http.StatusInternalServerError:
		return fail(exitServer, "", "whoami: the gateway answered %d%s", status, detailOf(answer))
	default:
		return fail(exitNotFound, "holders are told by the gateway alone, not the admin listener, when its configuration has holder.path, such as "+holderPath+"; name the whole address by --server",
			"whoami: nothing tells holders of their keys at %s: it answered %d", address, status)
	}
}

// holderURL is where the gateway tells holders.
func holderURL(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fail(exitUsage, "write it like https://api.example.com", "--server: want the URL of the gateway, without user and query")
	}
	address, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (err != nil || !address.Unmap().IsLoopback()) {
		return "", fail(exitUsage, "write https", "--server: plain http is for this machine only, since whoever is on the way could read the key")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = holderPath
	}
	return u.String(), nil
}

// askOwn sends the one request. Redirects are not followed.
func askOwn(ctx context.Context, transport *http.Transport, address, header string, text secret.Text) (status int, answer []byte, _ error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, nil, fail(exitUsage, "", "--server: want the URL of the gateway")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set(header, text.Reveal())
	response, err := transport.RoundTrip(r)
	if err != nil {
		return 0, nil, fail(exitServer, "does warder serve run there?", "whoami: %s does not answer: %w", address, err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	answer, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return 0, nil, fail(exitServer, "", "whoami: the answer of %s broke off", address)
	}
	return response.StatusCode, answer, nil
}

// detailOf is what a problem says of itself, after a colon; "" for what is none.
func detailOf(answer []byte) string {
	var p struct{ Title, Detail string }
	if json.Unmarshal(answer, &p) != nil || p.Title == "" {
		return ""
	}
	return ": " + shown(cmp.Or(p.Detail, p.Title))
}
