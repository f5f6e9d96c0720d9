package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// The commands about keys work on a database, or ask the admin API of a warder that
// runs: what they print is the same.

// addRemoteFlags gives a group of commands the flags of the admin API.
func addRemoteFlags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.String("server", "", "ask the admin API of a warder that runs there, such as http://127.0.0.1:8081, in place of a database")
	f.String("token-file", "", "file of the token for --server, or - for standard input (default: WARDER_TOKEN)")
	f.String("ca-file", "", "PEM file of the authorities that the certificate of --server may come from (default: the system's)")
}

// isRemote reports whether the command asks a server.
func isRemote(cmd *cobra.Command) bool { return flagText(cmd, "server") != "" }

func flagText(cmd *cobra.Command, name string) string {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}

// A remote asks the admin API for a command.
type remote struct {
	*client.Client

	server string
}

// tokenHint says where a token comes from.
const tokenHint = "give it by --token-file, WARDER_TOKEN or standard input; on the server's machine it is in the file beside the database: DATABASE.admin" //nolint:gosec // G101: words about a token

// openRemote makes the client of --server. argument is what the command may read
// from standard input itself, when it is "-".
func openRemote(cmd *cobra.Command, p *process, argument string) (*remote, error) {
	for _, name := range []string{"db", "config", "peppers-file"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			return nil, fail(exitUsage, "leave one of them out", "--%s is of a database, and --server of a warder that has its own", name)
		}
	}
	token, err := remoteToken(cmd, p, argument)
	if err != nil {
		return nil, err
	}
	roots, err := remoteRoots(flagText(cmd, "ca-file"))
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{Server: flagText(cmd, "server"), Token: token, Roots: roots, Timeout: time.Minute})
	if err != nil {
		return nil, fail(exitUsage, "on this machine it is --server http://127.0.0.1:8081, unless admin_listen says something else", "--server: %w", err)
	}
	return &remote{c, strings.TrimSuffix(flagText(cmd, "server"), "/")}, nil
}

// remoteToken finds the token: never on the command line, which others see.
func remoteToken(cmd *cobra.Command, p *process, argument string) (secret.Text, error) {
	switch name := flagText(cmd, "token-file"); {
	case name == "-" && argument == "-":
		return secret.Text{}, fail(exitUsage, tokenHint, "standard input cannot be both the key and the token")
	case name == "-":
		line, err := bufio.NewReader(io.LimitReader(p.stdin, maxKeyText)).ReadString('\n')
		if line = strings.TrimSpace(line); err != nil && !errors.Is(err, io.EOF) || line == "" {
			return secret.Text{}, fail(exitUsage, tokenHint, "standard input holds no token")
		}
		return secret.New(line), nil
	case name != "":
		token, err := readAdminToken(name)
		if errors.Is(err, fs.ErrNotExist) {
			return token, fail(exitNotFound, tokenHint, "--token-file: there is no file %s", printable(name))
		}
		return token, err
	}
	if text, ok := lookup(p.environ, "WARDER_TOKEN"); ok && text != "" {
		return secret.New(text), nil
	}
	return secret.Text{}, fail(exitDenied, tokenHint, "there is no token for --server")
}

// remoteRoots reads a file of authorities; nil for those of the system.
func remoteRoots(name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // no pool is the system's
	}
	text, err := os.ReadFile(name) //nolint:gosec // G304: the operator names it
	if err != nil {
		return nil, fail(causeOf(err), "", "--ca-file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fail(exitUsage, "", "--ca-file: %s holds no certificate in PEM", printable(name))
	}
	return roots, nil
}

// remoteView is a key of the server's as the commands print it.
func remoteView(k *client.Key) keyView {
	r := apikey.Record{
		ID: apikey.ID(k.ID), Prefix: k.Prefix, Environment: apikey.Environment(k.Environment), Kind: apikey.Kind(k.Kind), Name: k.Name, Owner: k.Owner,
		Scopes: k.Scopes, Created: k.Created, Revision: apikey.Revision(k.Revision),
	}
	if k.Expires != nil {
		r.Expires = *k.Expires
	}
	if k.Revoked != nil {
		r.Revoked = *k.Revoked
	}
	if k.Updated != nil {
		r.Updated = *k.Updated
	}
	r.Reason, r.Plan, r.Metadata, r.Methods, r.Paths, r.Origins = k.Reason, k.Plan, k.Metadata, k.Methods, k.Paths, k.Origins
	r.IdleRevoke = remoteDuration(k.IdleRevoke)
	for _, text := range k.Addresses {
		if p, err := netip.ParsePrefix(text); err == nil {
			r.Addresses = append(r.Addresses, p)
		}
	}
	for _, l := range k.Limits {
		q := exchange.Quota{Name: l.Name, Count: int(l.Count), Per: remoteDuration(l.Per)}
		if l.Burst != nil {
			q.Burst = int(*l.Burst)
		}
		r.Limits = append(r.Limits, q)
	}
	for _, s := range k.Secrets {
		one := apikey.Secret{Number: int(s.Number), Created: s.Created, IdleRetire: remoteDuration(s.IdleRetire), Format: s.Format}
		if s.Retires != nil {
			one.Retires = *s.Retires
		}
		r.Secrets = append(r.Secrets, one)
	}
	if sum, err := hex.DecodeString(strings.TrimPrefix(k.Certificate, sumPrefix)); err == nil && len(sum) == len(r.Certificate) {
		r.Certificate = [32]byte(sum)
	}
	v := view(r, time.Now())
	v.State, v.OwnerName = apikey.State(k.State), k.OwnerName // by the server's clock
	return v
}

// remoteDuration reads a duration of the server's; 0 for none.
func remoteDuration(text string) time.Duration {
	d, err := config.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

// key finds one key for a person.
func (r *remote) key(ctx context.Context, id apikey.ID) (client.Key, error) {
	found, err := r.GetKey(ctx, string(id))
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Kind() == "not-found" && r.IsAdminAPI(ctx) {
		return client.Key{}, fail(exitNotFound, "warder keys list shows the ids", "no key has the id %s", id)
	}
	if err != nil {
		return client.Key{}, r.failure(ctx, err, "keys show")
	}
	return found.Value.Key, nil
}

// remoteWait is --wait for the server, which waits itself.
func remoteWait(wait time.Duration) (string, error) {
	const most = 30 * time.Second
	if wait > most {
		return "", fail(exitUsage, "", "--wait %s: with --server want at most 30s", wait)
	}
	return wait.String(), nil
}
