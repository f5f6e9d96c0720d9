package main

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
)

func newAdmins(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "admins",
		Short: "Make, list and change the people and machines that administer warder",
		Long: `Make, list and change the people and machines that administer warder.

The commands work on the database itself, also while warder serve runs: it sees a
change with the next request. Whoever may write the database may do everything here.
With --server they ask the admin API of a warder that runs elsewhere, and print the same,
as far as the token may; setup and accept work where the database is alone.

Nobody gives anybody a password: setup, add, invite, reset-password and reset-factor
make a link, good once and for an hour. Whoever has it sets password and second
factor by warder admins accept, or in the admin API.`,
		Example: `  warder admins setup --name ada --output secret | warder admins accept
  warder admins add bob --role developer --from 192.0.2.7
  warder admins keys create --name deploy --role developer --expires-in 90d`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newAdminsSetup(p), newAdminsAdd(p), newAdminsInvite(p), newAdminsReset(p, "password"), newAdminsReset(p, "factor"), newAdminsAccept(p),
		newAdminsList(p), newAdminsRole(p), newAdminsTurn(p, "disable"), newAdminsTurn(p, "enable"), newAdminsTurn(p, "remove"), newAdminsKeys(p))
	return cmd
}

// admins is the database with what changes its administrators.
type admins struct {
	cfg    *config.Config
	store  *keyStore
	people *account.Manager
	keys   *login.Keys
}

// withAdmins loads the configuration and calls use with the database, which is made
// when there is none and fresh allows it.
func withAdmins(cmd *cobra.Command, p *process, fresh bool, use func(a *admins) error) (err error) {
	cfg, err := keysConfig(cmd, p)
	if err != nil {
		return err
	}
	if noDatabase(cfg) && !fresh && !isSymlink(cfg.DB) {
		return fail(exitNotFound, "name the database by --db, or make a first owner by `warder admins setup`", "db: there is no database at %s", cfg.DB)
	}
	store, err := openStore(cmd.Context(), cfg, stderrLog(p))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.db.Close()) }()
	a := &admins{cfg: cfg, store: store}
	list, err := knownPasswords(cfg)
	if err != nil {
		return err
	}
	a.people, err = account.New(account.Config{
		Store: store.db.Accounts(), Hash: login.Hash, Sealer: store.peppers, Known: list.Known,
		// They are worth nothing by their epoch, wherever they are; here they can be taken out.
		Ended: func(ctx context.Context, id account.ID) {
			_, _ = store.db.Sessions().DeleteUser(ctx, account.Issuer, string(id)) // what is left expires
		},
	})
	if err != nil {
		return err
	}
	a.keys, err = login.NewKeys(login.KeysConfig{Store: store.db.Accounts(), Peppers: store.peppers})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.keys.Close()) }()
	return use(a)
}

// operator names who changes administrators from this command line.
func operator(p *process) account.Actor {
	return account.Actor{By: by(p).Actor, Source: by(p).Source, Operator: true}
}

// find returns the account of a name, or of an id.
func (a *admins) find(ctx context.Context, name string) (account.Account, error) {
	found, err := a.people.Store().Find(ctx, account.NormalName(name))
	if errors.Is(err, account.ErrNotFound) && account.ValidID(name) {
		found, err = a.people.Store().Lookup(ctx, account.ID(name))
	}
	if errors.Is(err, account.ErrNotFound) {
		return found, fail(exitNotFound, "warder admins list shows the names", "there is no administrator %q", printable(name))
	}
	return found, err
}

// adminFailure tells by its exit code whose fault err is.
func adminFailure(err error) error {
	for _, one := range []struct {
		err  error
		code int
		hint string
	}{
		{account.ErrNotFound, exitNotFound, "warder admins list shows the names"},
		{account.ErrExists, exitUsage, "choose another name; warder admins list shows those that are taken"},
		{account.ErrLastOwner, exitUsage, "warder admins add NAME --role owner"},
		{account.ErrSetUp, exitUsage, "warder admins add makes others; warder admins reset-password helps an owner who lost the password"},
		{account.ErrFactor, exitUsage, "warder admins reset-factor makes a link by which one is enrolled"},
		{account.ErrGone, exitUsage, "warder admins invite, reset-password and reset-factor make another"},
		{account.ErrCode, exitUsage, "wait for the next code, and look at the clock of both devices"},
		{account.ErrElsewhere, exitDenied, "make it for this machine by --from 127.0.0.1, or for all by --anywhere"},
		{account.ErrForbidden, exitDenied, ""},
		{account.ErrConflict, exitServer, "ask again: it is safe"},
	} {
		if errors.Is(err, one.err) {
			return fail(one.code, one.hint, "%s", strings.TrimPrefix(one.err.Error(), "account: "))
		}
	}
	if wrong := adminFields(err); len(wrong) > 0 {
		return fail(exitUsage, "", "%w", errors.Join(wrong...))
	}
	return err
}

// adminFields is what is wrong with values, by their names.
func adminFields(err error) (named []error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			named = append(named, adminFields(one)...)
		}
		return named
	}
	if field, ok := errors.AsType[*account.FieldError](err); ok {
		return []error{errors.New(field.Field + ": " + field.Reason)}
	}
	if spec, ok := errors.AsType[*apikey.SpecError](err); ok {
		return []error{errors.New(spec.Field + ": " + spec.Reason)}
	}
	return nil
}

// whereFrom are the flags that say from where a link may be used.
type whereFrom struct {
	from     string
	anywhere bool
}

func (w *whereFrom) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.from, "from", "127.0.0.1", "the address from which alone the link may be used")
	cmd.Flags().BoolVar(&w.anywhere, "anywhere", false, "let the link be used from every address")
}

func (w *whereFrom) link() (account.Link, error) {
	if w.anywhere {
		return account.Link{Anywhere: true}, nil
	}
	address, err := netip.ParseAddr(w.from)
	if err != nil {
		return account.Link{}, fail(exitUsage, "write it like 192.0.2.7, or use --anywhere", "--from %q is no address", printable(w.from))
	}
	return account.Link{Address: address}, nil
}

// parseRole reads a role.
func parseRole(text string) (account.Role, error) {
	if r := account.Role(text); r.Valid() {
		return r, nil
	}
	if text == "" {
		return "", fail(exitUsage, "", "--role is missing: want owner, admin, developer or auditor")
	}
	return "", fail(exitUsage, "", "%q is not a role: want owner, admin, developer or auditor", printable(text))
}

// completeRoles offers the roles.
func completeRoles(cmd *cobra.Command) {
	words := make([]string, 0, len(account.Roles()))
	for _, r := range account.Roles() {
		words = append(words, string(r))
	}
	if err := cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("warder: " + cmd.Name() + ": " + err.Error()) // it has no such flag: every test finds it
	}
}
