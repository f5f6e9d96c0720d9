package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/secret"
)

// This file asks for and shows what administrators have to know: links, passwords,
// authenticators, recovery codes and the texts of admin keys.

func newAdminsAccept(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accept",
		Short: "Set password and second factor by a link, here on this machine",
		Long: `Set password and second factor by a link, here on this machine.

The link, the password and the first code of the authenticator are asked for on a
terminal, or read from standard input, one line each; a link that was piped in is the
first line, and the terminal is asked for the rest. They are never arguments. The
authenticator's secret is shown on standard error before the code is asked for, and
the recovery codes, this once, on standard output.

It works where the database is, and asks no server: whoever has a link and no access to
that machine uses it on the admin page.`,
		Example: `  warder admins setup --output secret | warder admins accept`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, done := newAsker(p)
			defer done()
			link, err := in.ask(cmd.Context(), "Link: ") // first: what makes it in a pipe may be making the database
			if err != nil {
				return err
			}
			link = secret.New(strings.TrimSpace(link.Reveal()))
			return withAdmins(cmd, p, false, func(a *admins) error { return acceptLink(cmd.Context(), p, a, in, link) })
		},
	}
	addConfigFlags(cmd, "db", "peppers-file")
	return cmd
}

// acceptLink sets what a link is for.
func acceptLink(ctx context.Context, p *process, a *admins, in *asker, link secret.Text) error {
	here := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	offer, err := a.people.Offer(ctx, link, here)
	if err != nil {
		return adminFailure(err)
	}
	_, _ = fmt.Fprintf(p.stderr, "This sets up %q, whose role is %s.\n", offer.Account.Name, offer.Account.Role)
	f := account.Finish{Offer: offer.Sealed}
	if offer.Password {
		if f.Password, err = in.password(ctx); err != nil {
			return err
		}
		if err := a.people.CheckPassword(&offer.Account, f.Password); err != nil { // before a code is asked for, which is good once
			return adminFailure(err)
		}
	}
	if offer.Factor {
		_, _ = fmt.Fprintf(p.stderr, "Add this to an authenticator:\n  secret  %s\n  address %s\n", offer.Secret.Reveal(), offer.URI.Reveal())
		code, err := in.ask(ctx, "Its code: ")
		if err != nil {
			return err
		}
		f.Code = strings.TrimSpace(code.Reveal())
	}
	done, codes, err := a.people.Finish(ctx, link, here, f)
	if err != nil {
		return adminFailure(err)
	}
	if len(codes) > 0 {
		_, _ = fmt.Fprintln(p.stderr, "These recovery codes stand in for the authenticator, each once. They are shown this once: store them now.")
	}
	for _, one := range codes {
		if _, err := fmt.Fprintln(p.stdout, one.Reveal()); err != nil {
			return fail(exitServer, "warder admins reset-factor makes others", "the account is set up, but its recovery codes could not be written: %w", err)
		}
	}
	_, _ = fmt.Fprintf(p.stderr, "%q can log in.\n", done.Name)
	return nil
}

// An asker asks for one line after another: on a terminal, or from standard input.
// Of a link that is piped in, the rest is asked on the terminal that there is.
type asker struct {
	p        *process
	lines    *bufio.Reader // of standard input; nil when it is the terminal
	terminal *os.File      // nil for none
}

// newAsker returns one, and what to call when it is done.
func newAsker(p *process) (in *asker, done func()) {
	in = &asker{p: p}
	if f, ok := p.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		in.terminal = f
		return in, func() {}
	}
	in.lines = bufio.NewReaderSize(p.stdin, maxTyped)
	return in, func() {
		if in.terminal != nil {
			_ = in.terminal.Close() // it was only read
		}
	}
}

// ask returns one line without its end.
func (in *asker) ask(ctx context.Context, prompt string) (secret.Text, error) {
	if in.lines == nil {
		return typeLine(ctx, in.terminal, in.p.stderr, prompt)
	}
	raw, err := in.lines.ReadSlice('\n')
	line := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return secret.Text{}, fail(exitUsage, "", "standard input: a line is longer than %d bytes", maxTyped)
	case err != nil && !errors.Is(err, io.EOF):
		return secret.Text{}, fail(exitUsage, "", "standard input: %w", err)
	case line != "":
		return secret.New(line), nil
	case err == nil:
		return secret.Text{}, fail(exitUsage, "", "standard input has an empty line where %q is asked for", strings.TrimSuffix(prompt, ": "))
	}
	if f, openErr := os.OpenFile("/dev/tty", os.O_RDWR, 0); openErr == nil && in.p.stdin == os.Stdin { // a person runs it, in a pipe
		in.lines, in.terminal = nil, f
		return in.ask(ctx, prompt)
	}
	return secret.Text{}, fail(exitUsage, "give the link, the password and the code, one line each", "standard input ends where %q is asked for", strings.TrimSuffix(prompt, ": "))
}

// password asks for a password: twice on a terminal.
func (in *asker) password(ctx context.Context) (secret.Text, error) {
	if in.lines == nil {
		return typePassword(ctx, in.terminal, in.p.stderr)
	}
	text, err := in.ask(ctx, "Password: ")
	if err == nil && in.lines == nil { // the terminal came in between
		again, err := in.ask(ctx, "Again: ")
		if err != nil {
			return secret.Text{}, err
		}
		if !again.Equal(text) {
			return secret.Text{}, fail(exitUsage, "nothing was changed; try again", "the two passwords differ")
		}
	}
	return text, err
}

// showAdminKey tells the text of an admin key, the only time that anybody can.
func showAdminKey(p *process, form format, v adminKeyView, text secret.Text) error {
	v.Key = text.Reveal()
	if form == asSecret {
		return writeSecret(p.stdout, "", v.Key)
	}
	if form == asID {
		if err := writeSecret(p.stderr, "key: ", v.Key); err != nil {
			return errors.Join(err, form.print(p.stdout, v, []apikey.ID{apikey.ID(v.ID)}, nil))
		}
	}
	_, _ = fmt.Fprintln(p.stderr, "The key is shown this once: store it now.")
	return form.print(p.stdout, v, []apikey.ID{apikey.ID(v.ID)}, func(w io.Writer) error { return printRows(w, v.rows()) })
}
