package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/password"
)

// people are those who log in: their names and passwords, and their sessions.
type people struct {
	file     *password.File
	checker  *password.Checker
	sessions *session.Manager
	stop     func() // ends watch; nil when there is nothing to watch
}

// reloadInterval is how often the file of people is looked at.
const reloadInterval = 2 * time.Second

// joinPeople makes what the configuration has of users and sessions, and follows
// the file of people.
func (p *program) joinPeople() error {
	err := p.makePeople()
	if err == nil && p.people.file != nil {
		p.watchPeople()
	}
	return err
}

// makePeople makes what the configuration has of users and sessions.
func (p *program) makePeople() error {
	c := p.options.Config
	if c.Users.File != "" {
		file, err := password.NewFile(password.FileConfig{Path: c.Users.File, InsecureMode: c.Users.InsecureMode})
		if err != nil {
			return fmt.Errorf("users.file: %w", err)
		}
		checker, err := password.New(password.Config{Users: file, Log: p.options.Log})
		if err != nil {
			return err
		}
		p.people.file, p.people.checker = file, checker
	}
	if c.Session.Password || c.Session.OIDC != nil {
		sessions, err := session.New(session.Config{
			Store: p.options.Sessions, Log: p.options.Log, Scheme: sessionScheme(c), Cookie: c.Session.Cookie,
			Idle: c.Session.Idle, Absolute: c.Session.Absolute, Remember: c.Session.Remember, InsecureCookie: c.Session.InsecureCookie,
			Timeout: c.Timeouts.Store,
		})
		if err != nil {
			return fmt.Errorf("session: %w", err)
		}
		p.people.sessions = sessions
	}
	return nil
}

// sessionScheme is the name by which routes ask for a session.
func sessionScheme(c *config.Config) string {
	for name, scheme := range c.Schemes {
		if scheme.Session != nil {
			return name
		}
	}
	return "" // the package's own
}

// watchPeople follows the file, until stop: who is taken out of it, or gets
// another password, has no session any more.
func (p *program) watchPeople() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	p.people.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		tick := time.NewTicker(reloadInterval)
		defer tick.Stop()
		failing := ""
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				failing = p.reloadPeople(ctx, failing)
			}
		}
	}()
}

// reloadPeople reads the file again; before is what was wrong with it the last
// time, so that it is told once.
func (p *program) reloadPeople(ctx context.Context, before string) (failing string) {
	changed, err := p.people.file.Reload()
	if err != nil {
		if failing = err.Error(); failing != before {
			p.options.Log.Error("the file of people cannot be used: those that were read before stay", slog.String("error", failing))
		}
		return failing
	}
	if before != "" {
		p.options.Log.Info("the file of people is used again")
	}
	if len(changed) > 0 {
		p.options.Log.Info("the file of people has changed", slog.String("names", strings.Join(changed, " ")))
	}
	if p.people.sessions == nil {
		return ""
	}
	for _, name := range changed {
		if _, err := p.people.sessions.RevokeUser(ctx, p.people.checker.Issuer(), name); err != nil {
			p.logFailure("end the sessions of somebody who has changed", err)
		}
	}
	return ""
}
