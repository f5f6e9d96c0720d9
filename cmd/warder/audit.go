package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/config"
)

func newAudit(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show, verify, sign and export the log of what was changed",
		Long: `Show, verify, sign and export the log of what was changed.

Each change of a key, of credits and of others' sessions leaves an entry: who made
it, from where, what was before and after, never a secret. Entries are chained, so
that one that was changed, removed, moved or put in is found; checkpoints, which
warder serve signs, find an end that was cut.

list, show, verify and export ask a warder that runs, with --server. checkpoint and
key stay where the database is: they need its signing key, which no server gives away.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	list, show, verify := newAuditList(p), newAuditShow(p), newAuditVerify(p)
	for _, one := range []*cobra.Command{list, show, verify} {
		completeOutput(one, asTable, asJSON)
	}
	cmd.AddCommand(list, show, verify, newAuditExport(p), newAuditCheckpoint(p), newAuditKey(p))
	return cmd
}

// keepCheckpoint adds c to the file of checkpoints. What is in the file is on the
// disk.
func keepCheckpoint(name string, c audit.Checkpoint) (err error) {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("audit.checkpoint_file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("audit.checkpoint_file: %w", err)
	}
	return f.Sync()
}

func newAuditCheckpoint(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "checkpoint",
		Short: "Sign the end of the log, and print what was signed",
		Long: `Sign the end of the log, and print what was signed.

Keep the line where whoever can write to the database cannot: warder audit verify
--checkpoint FILE then finds a log that was cut or written anew. warder serve signs
from time to time as well. What came since the last checkpoint is verified first; a
log that does not hold is not signed.`,
		Example: `  warder audit checkpoint | ssh elsewhere 'cat >> warder.checkpoints'`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
				signer, err := openSigner(cfg)
				if err != nil {
					return err
				}
				c, err := audit.SignHead(cmd.Context(), db.Audit(), signer, by(p).Actor+" at "+hostName())
				if err != nil {
					return auditFailure(err)
				}
				return json.NewEncoder(p.stdout).Encode(c)
			})
		},
	}
	addConfigFlags(cmd, "db")
	return cmd
}

// hostName is this machine's name as far as it has one.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || !utf8.ValidString(name) {
		return "unknown"
	}
	return name
}

func newAuditKey(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Print the public key that verifies checkpoints",
		Long: `Print the public key that verifies checkpoints.

Keep it beside them: warder audit verify --public-key then needs nothing of this
machine.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := keysConfig(cmd, p)
			if err != nil {
				return err
			}
			signer, err := openSigner(cfg)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.stdout, base64.StdEncoding.EncodeToString(signer.PublicKey()))
			return err
		},
	}
	addConfigFlags(cmd, "db")
	return cmd
}

// auditFailure tells a log that does not hold from one that cannot be read.
func auditFailure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, audit.ErrBroken):
		return fail(exitFound, "compare it with a backup, or with an export that holds: entries before the one that is named hold", "%w", err)
	case errors.Is(err, audit.ErrUnknownKey):
		return fail(exitFound, "if the signing key was replaced, give the former one's public key by --public-key", "%w", err)
	case errors.Is(err, audit.ErrSignature):
		return fail(exitFound, "compare it with the same checkpoint of another place", "%w", err)
	case errors.Is(err, audit.ErrEmpty):
		return fail(exitNotFound, "make a change first, such as warder keys create", "%w", err)
	default:
		return err
	}
}

// shown is stored text for a terminal: what is no visible character of its own, and
// what turns the direction of others, is escaped.
func shown(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// parseMoment reads a date, a time, or how long ago something was, such as 24h or
// 7d; "" is the zero time.
func parseMoment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := parseFrom(text); err == nil {
		return t, nil
	}
	if ago, err := config.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, fail(exitUsage, "", "--%s %q: want a date, a time such as 2027-01-31T06:00:00Z, or how long ago, such as 24h", flag, printable(text))
}
