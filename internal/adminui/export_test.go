package adminui

import (
	"log/slog"
	"net/http"
	"slices"

	"github.com/warder-dev/warder/account"
)

// ChangingForms are the addresses of all forms that are sent with POST; those of
// actions have their names in them.
func ChangingForms() (all []string, err error) {
	s, err := New(Config{API: http.NotFoundHandler(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, a := range actions() {
		names = append(names, "POST /ui/keys/{id}/"+a.Name)
	}
	for _, a := range personActions(account.Owner) {
		if a.Name != addName {
			names = append(names, "POST /ui/people/{id}/"+a.Name)
		}
	}
	for _, step := range append(ownSteps(), "enrol") {
		names = append(names, "POST /ui/me/"+step)
	}
	for _, p := range s.Patterns() {
		if len(p) > 5 && p[:5] == "POST " && p[len(p)-1] != '}' {
			names = append(names, p)
		}
	}
	slices.Sort(names)
	return names, nil
}
