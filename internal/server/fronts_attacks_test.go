package server_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
)

// attacks says which case of the catalogue the row is; "" for none.
func attacks(id string) policyChange { return func(r *policyRow) { r.id = id } }

// viaOf is the front in the catalogue's words; "" for verify by the key alone, which
// judges no request.
func viaOf(front policyFront) attack.Via {
	return map[policyFront]attack.Via{
		atLibrary: attack.ViaLibrary, atGateway: attack.ViaGateway, atNginx: attack.ViaNginx, atCaddy: attack.ViaCaddy, atHAProxy: attack.ViaHAProxy,
		atPlain: attack.ViaCaddy, atTraefik: attack.ViaTraefik, atEnvoy: attack.ViaEnvoy, atEnvoyHTTP: attack.ViaEnvoyHTTP, atJudge: attack.ViaVerify,
	}[front]
}

// askArea asks about the rows of an area that have a place at the front, in their
// order; those next to each other that are one attack are recorded as one.
func askArea(t *testing.T, d policyDriver, front policyFront, told *toldFields, area *policyArea) {
	t.Helper()
	var rows []*policyRow
	for i := range area.rows {
		if _, _, applies := area.rows[i].at(front, area); applies {
			rows = append(rows, &area.rows[i])
		}
	}
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].id == rows[0].id {
			n++
		}
		ask := func(t *testing.T) {
			t.Helper()
			for _, r := range rows[:n] {
				askRow(t, d, front, told, area, r)
			}
		}
		if id, via := rows[0].id, viaOf(front); id == "" || via == "" {
			ask(t)
		} else {
			attack.CaseVia(t, id, via, ask)
		}
		rows = rows[n:]
	}
}

// atEnvoyHTTP is Envoy's http_service, replayed: not of the page, as it decides what
// Envoy's protocol over gRPC does.
const atEnvoyHTTP policyFront = "Envoy HTTP"

// envoyHTTPShape is ext_authz over HTTP as the guide configures it: the client's
// method, host and target, the target behind the prefix, and no body.
func envoyHTTPShape(method, target string, fields []string, scheme, host, from string) string {
	return method + " /authz" + target + " HTTP/1.1\r\ncontent-length: 0\r\nhost: " + host + "\r\n" + strings.Join(lowered(fields), "") +
		"x-forwarded-proto: " + scheme + "\r\nx-request-id: 7a6f\r\nx-original-proto: " + scheme + "\r\nx-original-addr: " + from + "\r\n\r\n"
}

// lowered are the client's fields as Envoy passes them on, each a line.
func lowered(fields []string) (lines []string) {
	for _, line := range fields {
		name, value, _ := strings.Cut(line, ":")
		if !hopByHop(name) {
			lines = append(lines, strings.ToLower(name)+":"+value+"\r\n")
		}
	}
	return lines
}

// TestAttacksThroughEnvoysHTTP asks about each row of the table that is an attack.
func TestAttacksThroughEnvoysHTTP(t *testing.T) {
	d := policyDriverOf(t, atEnvoyHTTP)
	n := 0
	for _, area := range policyAreas() {
		rows := area.rows
		area.rows = nil
		for i := range rows {
			if rows[i].id != "" {
				area.rows = append(area.rows, rows[i])
			}
		}
		n += len(area.rows)
		askArea(t, d, atEnvoyHTTP, newToldFields(), &area)
	}
	if n < 40 {
		t.Errorf("%d rows are attacks, want 40 at least", n)
	}
	d.idle(t)
}
