package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/config"
)

// auditCheck are the flags of audit verify.
type auditCheck struct {
	checkpoints, keys []string
	partial           bool
	output            string
}

// A chainVerdict is what audit verify found: the log holds.
type chainVerdict struct {
	From        int64      `json:"from"`
	To          int64      `json:"to"`
	Hash        audit.Hash `json:"hash"`
	Checkpoints int        `json:"checkpoints"`
}

func newAuditVerify(p *process) *cobra.Command {
	var o auditCheck
	cmd := &cobra.Command{
		Use:   "verify [FILE|-]",
		Short: "Verify the log, or an export of it, against checkpoints",
		Long: `Verify the log, or an export of it, against checkpoints.

Without FILE the log of the database is verified, with the checkpoints that are in
the database, in audit.checkpoint_file and in each --checkpoint. FILE is an export
in jsonl, which needs no database; it is verified with each --checkpoint alone.

With --server the log of a warder that runs is read from there and verified here, with
each --checkpoint alone: whoever could write the log anew could make checkpoints anew,
so that those of the server would prove nothing to you. Name its key by --public-key.

Checkpoints are believed when they are signed with the key of this machine, or one
of --public-key. A log that does not hold is exit code 6, and the first entry that
is broken is named.`,
		Example: `  warder audit verify --checkpoint /mnt/elsewhere/warder.checkpoints
  warder audit verify --public-key "$KEY" --checkpoint warder.checkpoints audit.jsonl
  warder audit verify --server https://keys.example.com --token-file token.txt --public-key "$KEY" --checkpoint warder.checkpoints`,
		Args: wants(oneFile, 0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(o.output, asTable, asJSON)
			if err != nil {
				return err
			}
			v, err := o.verify(cmd, p, args)
			if err != nil {
				return err
			}
			if v.Checkpoints == 0 {
				_, _ = fmt.Fprintln(p.stderr, "There is no checkpoint: an end that was cut would not be found. warder audit checkpoint makes one.")
			}
			return form.print(p.stdout, v, nil, func(w io.Writer) error {
				if v.To == 0 {
					_, err := fmt.Fprintln(w, "The log is empty.")
					return err
				}
				_, err := fmt.Fprintf(w, "The log holds: entries %d to %d, %d checkpoints. SHA-256 of the last one:\n%s\n", v.From, v.To, v.Checkpoints, v.Hash)
				return err
			})
		},
	}
	addConfigFlags(cmd, "db")
	addRemoteFlags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&o.checkpoints, "checkpoint", nil, "file of checkpoints that were kept elsewhere; may be given more than once")
	f.StringArrayVar(&o.keys, "public-key", nil, "believe checkpoints of this key too, as warder audit key prints it; may be given more than once")
	f.BoolVar(&o.partial, "partial", false, "take an export that begins with a later entry than the first")
	f.StringVarP(&o.output, "output", "o", string(asTable), "table or json")
	return cmd
}

// verify verifies the database, or the file that args names.
func (o *auditCheck) verify(cmd *cobra.Command, p *process, args []string) (v chainVerdict, _ error) {
	if isRemote(cmd) && len(args) > 0 {
		return v, fail(exitUsage, "leave one of them out", "FILE is an export, and --server a warder that has its log itself")
	}
	if isRemote(cmd) && o.partial {
		return v, fail(exitUsage, "", "--partial is for an export: the server has the whole log")
	}
	cfg, keys, err := o.trusted(cmd, p)
	if err != nil {
		return v, err
	}
	checkpoints, err := o.read()
	if err != nil {
		return v, err
	}
	if isRemote(cmd) {
		return o.verifyServer(cmd, p, keys, checkpoints)
	}
	if len(args) > 0 {
		return o.verifyExport(p, args[0], keys, checkpoints)
	}
	if o.partial {
		return v, fail(exitUsage, "", "--partial is for an export: the database has the whole log")
	}
	own, err := readCheckpoints(cfg.Audit.CheckpointFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return v, err
	}
	checkpoints = append(checkpoints, own...)
	err = withDatabase(cmd, p, func(_ *config.Config, db *database) error {
		head, err := audit.Verify(cmd.Context(), db.Audit(), keys, checkpoints)
		if err != nil {
			return auditFailure(err)
		}
		stored, err := countCheckpoints(cmd.Context(), db.Audit())
		v = chainVerdict{From: min(1, head.Seq), To: head.Seq, Hash: head.Hash, Checkpoints: len(checkpoints) + stored}
		return err
	})
	return v, err
}

// countCheckpoints is how many the store has.
func countCheckpoints(ctx context.Context, store audit.Store) (n int, _ error) {
	for after := int64(0); ; {
		page, err := store.Checkpoints(ctx, after, audit.MaxPage)
		if err != nil {
			return 0, err
		}
		n += len(page)
		if len(page) < audit.MaxPage {
			return n, nil
		}
		after = page[len(page)-1].Seq
	}
}

// trusted is the configuration, and the keys whose checkpoints are believed. Of a
// server's log nothing of this machine is.
func (o *auditCheck) trusted(cmd *cobra.Command, p *process) (*config.Config, audit.Keyring, error) {
	if isRemote(cmd) {
		keys, err := o.named(nil)
		return nil, keys, err
	}
	cfg, err := keysConfig(cmd, p)
	if err != nil {
		return nil, nil, err
	}
	var keys audit.Keyring
	signer, err := readSigner(cfg)
	switch {
	case err == nil:
		keys = append(keys, signer.PublicKey())
	case !errors.Is(err, fs.ErrNotExist):
		return nil, nil, err
	}
	keys, err = o.named(keys)
	return cfg, keys, err
}

// named adds those of --public-key to keys.
func (o *auditCheck) named(keys audit.Keyring) (_ audit.Keyring, err error) {
	for _, text := range o.keys {
		var key ed25519.PublicKey
		if key, err = audit.ParsePublicKey(text); err != nil {
			return nil, fail(exitUsage, "warder audit key prints it", "--public-key: %w", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// read reads the files of --checkpoint.
func (o *auditCheck) read() (all []audit.Checkpoint, _ error) {
	for _, name := range o.checkpoints {
		some, err := readCheckpoints(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fail(exitNotFound, "", "--checkpoint: %s is not there", name)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// readCheckpoints reads a file of checkpoints. The error wraps fs.ErrNotExist when
// there is none.
func readCheckpoints(name string) (_ []audit.Checkpoint, err error) {
	f, err := os.Open(name) //nolint:gosec // the operator names the file
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fail(causeOf(err), "", "checkpoints: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	all, err := audit.ReadCheckpoints(f)
	if err != nil {
		return nil, fail(exitUsage, "", "%s: %w", name, err)
	}
	return all, nil
}

// verifyExport verifies a file, or standard input.
func (o *auditCheck) verifyExport(p *process, name string, keys audit.Keyring, checkpoints []audit.Checkpoint) (v chainVerdict, err error) {
	if err := keys.CheckAll(checkpoints); err != nil {
		return v, auditFailure(err)
	}
	from := p.stdin
	if name != "-" {
		f, err := os.Open(name) //nolint:gosec // the operator names the file
		if err != nil {
			return v, fail(causeOf(err), "", "%w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		from = f
	}
	chain := audit.NewChain(checkpoints)
	if o.partial {
		chain.Partial()
	}
	err = audit.ReadExport(from, func(e *audit.Entry) error {
		if v.From == 0 {
			v.From = e.Seq
		}
		return chain.Add(e)
	})
	if err == nil {
		err = chain.End()
	}
	if broken, ok := errors.AsType[*audit.BrokenError](err); ok && broken.Seq == 1 && v.From > 1 && !o.partial {
		return v, fail(exitFound, "--partial takes an export that begins later", "%w", err)
	}
	if err != nil && !errors.Is(err, audit.ErrBroken) {
		return v, fail(exitUsage, "", "%s: %w", name, err)
	}
	v.To, v.Hash, v.Checkpoints = chain.Head().Seq, chain.Head().Hash, len(checkpoints)
	return v, auditFailure(err)
}
