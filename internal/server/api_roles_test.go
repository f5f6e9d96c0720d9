package server_test

import (
	"bytes"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
)

// A matrix says which columns of the page of roles have a yes, by operation.
type matrix map[string]map[string]bool

// readMatrix reads the page of roles: what people are told.
func readMatrix(t *testing.T) matrix {
	t.Helper()
	text, err := os.ReadFile("../../docs/reference/admin-roles.md")
	if err != nil {
		t.Fatal(err)
	}
	all, columns := matrix{}, []string(nil)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		switch {
		case cells[0] == "operation":
			columns = cells
		case len(cells) == len(columns) && strings.HasPrefix(cells[0], "`"):
			row := map[string]bool{}
			for i, cell := range cells {
				row[columns[i]] = cell == "yes"
			}
			row["manages"] = cells[1] == "`accounts:manage`"
			all[strings.Trim(cells[0], "`")] = row
		}
	}
	if len(all) < 40 {
		t.Fatalf("the matrix has %d rows", len(all))
	}
	return all
}

// A roleAsker is somebody who asks, with how it proves itself.
type roleAsker struct {
	name   string
	fields []string
	role   account.Role
	person bool
	bound  bool
}

// askers are all who prove a role.
func (c *ownCast) askers() (all []roleAsker) {
	for _, role := range account.Roles() {
		all = append(all, roleAsker{"a person, " + string(role), []string{"Cookie", login.Cookie + "=" + c.persons[role], "Sec-Fetch-Site", "same-origin"}, role, true, false})
		for _, owner := range []string{"", "acme"} {
			all = append(all, roleAsker{"the admin key of " + string(role) + ":" + owner, []string{"Authorization", "Bearer " + c.machines[string(role)+":"+owner]}, role, false, owner != ""})
		}
	}
	return all
}

// may reports whether the matrix lets the roleAsker ask for an operation.
func (m matrix) may(a *roleAsker, o *besiegedOperation) bool {
	row := m[o.ID]
	return row[string(a.role)] && (!a.bound || row["bound"]) && (a.person || !row["manages"])
}

// whoMayDoWhat asks for each operation as everybody: who proves nothing gets 401, who
// lacks the right 403, both without a trace, and everybody else what was asked for.
func (b *besieged) whoMayDoWhat(t *testing.T, cast *ownCast, operations []*besiegedOperation) {
	t.Helper()
	rows := readMatrix(t)
	refused := map[string]func(){}
	for _, o := range operations {
		if rows[o.ID] == nil {
			t.Errorf("the matrix has no row of %s", o.ID)
			continue
		}
		a := b.aimed(t, o)
		refused[o.ID] = func() {
			for who, fields := range cast.others {
				if status, text := b.by(t, a, append(fields, a.fields...)...); who != "the admin token" && status != http.StatusUnauthorized {
					t.Errorf("%s by %s: %d %.200s, want 401", o.ID, who, status, text)
				}
			}
			for _, who := range cast.askers() {
				if rows.may(&who, o) {
					continue
				}
				if status, text := b.by(t, a, append(who.fields, a.fields...)...); status != http.StatusForbidden {
					t.Errorf("%s by %s: %d %.200s, want 403", o.ID, who.name, status, text)
				}
			}
		}
	}
	delete(cast.others, "the admin token") // it proves an owner here
	b.unwritten(t, refused)
	for _, o := range operations {
		for _, who := range cast.askers() {
			if !rows.may(&who, o) || !who.person && !who.bound && o.RequestBody != nil {
				continue // a machine of everybody's may what a person may: reading shows it as well
			}
			a := b.aimed(t, o)
			status, text := b.by(t, a, append(who.fields, a.fields...)...)
			if want := reached()[o.ID]; !slices.Contains(want, status) && (want != nil || status/100 != 2) && (!who.bound || status != http.StatusNotFound) {
				t.Errorf("%s by %s: %d %.200s, want it done", o.ID, who.name, status, text)
			}
		}
	}
}

// aimed is an aim that an administrator may take who is no owner.
func (b *besieged) aimed(t *testing.T, o *besiegedOperation) *aim {
	t.Helper()
	a := b.aim(t, o)
	if a.body["role"] != nil {
		a.body["role"] = string(account.Auditor)
	}
	if o.takes("wait") { // for no receipt: it is of no concern here
		a.path += "?wait=0s"
	}
	return a
}

// by sends an aim with these fields alone.
func (b *besieged) by(t *testing.T, a *aim, fields ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), a.o.method, "http://"+b.admin+a.path, bytes.NewReader(a.text(t)))
	if err != nil {
		t.Fatal(err)
	}
	if a.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	r.Host = r.Header.Get("Host")
	answer, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode, textOf(t, answer)
}
