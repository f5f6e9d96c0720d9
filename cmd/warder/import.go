package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/contract"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/gateway"
)

// maxImported is the largest document that is imported, in bytes.
const maxImported = 4 << 20

func newImport(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Make a configuration of what somebody else wrote",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(newImportOpenAPI(p))
	return cmd
}

func newImportOpenAPI(p *process) *cobra.Command {
	var upstream string
	cmd := &cobra.Command{
		Use:   "openapi FILE",
		Short: "Print the routes and schemes of an OpenAPI document as a configuration",
		Long: `Print the routes and schemes of an OpenAPI document as a configuration.

It holds what the document says of paths and security, as it is now. To have
parameters and bodies judged too, and changes followed, name the document itself:
warder serve --upstream URL --openapi FILE.`,
		Example: "  warder import openapi openapi.json --upstream http://127.0.0.1:8000 > warder.yaml",
		Args:    wants("the file of an OpenAPI document", 1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := readDocument(args[0])
			if err != nil {
				return err
			}
			doc, err := contract.Read(text, contract.Options{})
			if err != nil {
				return fail(exitUsage, "", "%w", err)
			}
			i := &importer{doc: doc, schemes: map[string]string{}, used: map[string]string{}}
			yaml := i.configuration(upstream)
			for _, warning := range i.warnings {
				if _, err := fmt.Fprintln(p.stderr, "warning: "+clean(warning)); err != nil {
					return err
				}
			}
			_, err = io.WriteString(p.stdout, yaml)
			return err
		},
	}
	cmd.Flags().StringVar(&upstream, "upstream", "http://127.0.0.1:8000", "URL of the API")
	return cmd
}

// readDocument reads a file, and tells a missing one from one that may not be read.
func readDocument(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the operator names the file; a pipe must not be waited for
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(exitNotFound, "", "there is no file %s", name)
	case errors.Is(err, fs.ErrPermission):
		return nil, fail(exitDenied, "", "%w", err)
	case err != nil:
		return nil, fail(exitUsage, "", "%w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(f, maxImported+1))
	if err != nil {
		return nil, fail(exitUsage, "", "%w", err)
	}
	return text, nil
}

// An importer turns a document into a configuration.
type importer struct {
	doc      *contract.Document
	schemes  map[string]string // of the configuration, by name: their YAML
	used     map[string]string // by name of the document: of the configuration
	warnings []string
}

func (i *importer) warn(format string, args ...any) {
	i.warnings = append(i.warnings, fmt.Sprintf(format, args...))
}

// configuration is the YAML.
func (i *importer) configuration(upstream string) string {
	i.addSchemes()
	var b strings.Builder
	fmt.Fprintf(&b, "# The routes and schemes of %s, OpenAPI %s.\n", oneLineOf(cmp.Or(i.doc.Title, "a document")), i.doc.Version)
	if len(i.schemes) > 0 {
		b.WriteString("schemes:\n")
		for _, name := range slices.Sorted(maps.Keys(i.schemes)) {
			fmt.Fprintf(&b, "  %s: %s\n", strconv.Quote(name), i.schemes[name])
		}
	}
	fmt.Fprintf(&b, "upstreams:\n  api: {url: %s}\nroutes:\n", strconv.Quote(escaped(upstream)))
	for _, o := range i.doc.Operations {
		fmt.Fprintf(&b, "  - match: %s\n    upstream: api\n%s", strconv.Quote(escaped(o.Method+" "+o.Pattern)), i.security(o))
		b.WriteString(i.extensions(o))
	}
	i.warnings = append(i.warnings, i.doc.Warnings...)
	i.warn("parameters and bodies are not judged by routes: name the document itself for that, by openapi: or openapi_documents:")
	return b.String()
}

// extensions are the words of the document that are about warder.
func (i *importer) extensions(o *contract.Operation) string {
	var b strings.Builder
	if len(o.Roles) > 0 {
		quoted := make([]string, len(o.Roles))
		for n, role := range o.Roles {
			quoted[n] = strconv.Quote(role)
		}
		list := "[" + strings.Join(quoted, ", ") + "]"
		fmt.Fprintf(&b, "    conditions:\n      - {name: roles, cel: %s}\n", strconv.Quote("has(principal.claims.roles) && principal.claims.roles.exists(role, role in "+list+")"))
		i.warn("%s: x-warder-roles are looked for in the claim roles, which must be a list: name another one in its condition", o.Name())
	}
	if len(o.Limits) > 0 {
		quoted := make([]string, len(o.Limits))
		for n, limit := range o.Limits {
			quoted[n] = strconv.Quote(limit)
		}
		fmt.Fprintf(&b, "    # rate_limits: [%s]\n", strings.Join(quoted, ", "))
		i.warn("%s: x-warder-limits %s are left out: add them to rate_limits and to the route", o.Name(), strings.Join(o.Limits, ", "))
	}
	if o.Mode != "" {
		i.warn("%s: x-warder-mode %s is left out: routes judge no parameters and bodies", o.Name(), o.Mode)
	}
	return b.String()
}

// security is what a route asks for.
func (i *importer) security(o *contract.Operation) string {
	switch {
	case !o.Stated:
		i.warn("%s: the document says nothing of security; the route asks for a key", o.Name())
		return i.scopes(o)
	case len(o.Security) == 0:
		i.warn("%s: anybody may call it", o.Name())
		return "    public: true\n"
	case o.Public():
		i.warn("%s: anybody may call it, since its security is optional", o.Name())
	}
	var b strings.Builder
	b.WriteString("    security:\n")
	for _, a := range o.Security {
		var parts []string
		merged := map[string][]string{}
		for name, scopes := range a {
			to := i.used[name]
			merged[to] = append(merged[to], slices.Concat(scopes, o.Scopes)...)
		}
		for _, to := range slices.Sorted(maps.Keys(merged)) {
			var quoted []string
			for _, scope := range slices.Compact(slices.Sorted(slices.Values(merged[to]))) {
				quoted = append(quoted, strconv.Quote(scope))
			}
			parts = append(parts, strconv.Quote(to)+": ["+strings.Join(quoted, ", ")+"]")
		}
		b.WriteString("      - {" + strings.Join(parts, ", ") + "}\n")
	}
	return b.String()
}

func (i *importer) scopes(o *contract.Operation) string {
	if len(o.Scopes) == 0 {
		return ""
	}
	quoted := make([]string, len(o.Scopes))
	for n, scope := range o.Scopes {
		quoted[n] = strconv.Quote(scope)
	}
	return "    scopes: [" + strings.Join(quoted, ", ") + "]\n"
}

// addSchemes makes a scheme for each of the document that an operation asks for.
// Two that find the same credential are one.
func (i *importer) addSchemes() {
	asked := map[string]bool{}
	for _, o := range i.doc.Operations {
		for _, a := range o.Security {
			for name := range a {
				asked[name] = true
			}
		}
	}
	same := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		to, yaml := i.scheme(name, i.doc.Schemes[name])
		if other, known := same[yaml]; known {
			i.used[name] = other
			continue
		}
		same[yaml], i.used[name] = to, to
		if yaml != "" {
			i.schemes[to] = yaml
		}
	}
}

// scheme is one in the words of the configuration; without YAML it is the one that
// is always there.
func (i *importer) scheme(name string, s contract.Scheme) (to, yaml string) {
	if _, isDefault := gateway.MatchScheme(defaultSchemes(), nil, "", s); isDefault == "" {
		return config.DefaultScheme, ""
	}
	if name == config.DefaultScheme { // there is one of that name, and it is another
		name = "documented"
	}
	if len(name) > 63 {
		i.warn("the name of the scheme %s is cut to 63 characters", name)
		name = name[:63]
	}
	switch s.Type {
	case "apiKey":
		return i.keyScheme(name, s)
	case "http":
		switch s.Scheme {
		case "bearer":
			i.warn("the scheme %s is taken for a key of warder in a bearer token: where it is a token of an issuer, write a jwt", name)
			return name, "{key: {in: bearer}}"
		case "basic":
			i.warn("the scheme %s is taken for a key of warder in HTTP Basic: for people with passwords, write basic", name)
			return name, "{key: {in: basic}}"
		}
		i.warn("the scheme %s, %s, is not known here: it is taken for a key in a bearer token", name, s)
		return name, "{key: {in: bearer}}"
	case "mutualTLS":
		i.warn("the scheme %s wants client certificates: say which part of them names the holder, and set tls.client_ca_file", name)
		return name, "{certificate: {subject: cn}}"
	default:
		i.warn("the scheme %s wants tokens of an issuer: name it, and the audience, in place of the example", name)
		return name, "{jwt: {issuers: [{issuer: \"https://issuer.example.com\", audience: [\"api\"]}]}}"
	}
}

func (i *importer) keyScheme(name string, s contract.Scheme) (to, yaml string) {
	switch {
	case s.In == config.InHeader && strings.EqualFold(s.Name, "Authorization"):
		i.warn("the scheme %s is the whole field Authorization: it is taken for a key in a bearer token", name)
		return name, "{key: {in: bearer}}"
	case s.In == config.InCookie && !strings.HasPrefix(s.Name, "__Host-"):
		i.warn("the scheme %s is a cookie that other hosts of the domain can set: give it a name that begins with __Host-", name)
		return name, fmt.Sprintf("{key: {in: cookie, name: %s, insecure_cookie_name: true}}", strconv.Quote(escaped(s.Name)))
	default:
		return name, fmt.Sprintf("{key: {in: %s, name: %s}}", s.In, strconv.Quote(escaped(s.Name)))
	}
}

// defaultSchemes is a configuration with the scheme that is always there.
func defaultSchemes() *config.Config {
	return &config.Config{
		Keys:    config.Keys{Header: "X-API-Key"},
		Schemes: map[string]config.Scheme{config.DefaultScheme: {Key: &config.KeyScheme{In: config.InHeader}}},
	}
}

// escaped keeps what a document says from referring to the environment.
func escaped(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// oneLineOf keeps text from ending a comment.
func oneLineOf(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}
