package attack

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A Via is the kind of proxy, or other way in, through which a case was tried: finer
// than a [Front], which does not tell proxies that ask from one another.
type Via string

// The ways in. What cannot run in a test is replayed as it is documented: Traefik
// and Envoy.
const (
	ViaGateway   Via = "gateway"
	ViaLibrary   Via = "library"
	ViaNginx     Via = "nginx"
	ViaCaddy     Via = "Caddy"
	ViaHAProxy   Via = "HAProxy"
	ViaTraefik   Via = "Traefik"
	ViaEnvoy     Via = "Envoy gRPC"
	ViaEnvoyHTTP Via = "Envoy HTTP"
	ViaVerify    Via = "verify"
)

// Vias returns every way in, in the order of the report.
func Vias() []Via {
	return []Via{ViaGateway, ViaLibrary, ViaNginx, ViaCaddy, ViaHAProxy, ViaTraefik, ViaEnvoy, ViaEnvoyHTTP, ViaVerify}
}

// Front is what the way in counts as; "" for one that does not exist.
func (v Via) Front() Front {
	switch v {
	case ViaGateway:
		return Gateway
	case ViaLibrary:
		return Library
	case ViaNginx, ViaCaddy, ViaHAProxy, ViaTraefik, ViaEnvoyHTTP:
		return Asked
	case ViaEnvoy:
		return ExtAuthz
	case ViaVerify:
		return Admin
	default:
		return ""
	}
}

// CaseVia is [Case] that also tells through which way in: the test is called
// "FWD-01/nginx", and counts for the way's [Front] as well.
func CaseVia(t *testing.T, id string, via Via, run func(t *testing.T)) {
	t.Helper()
	if via.Front() == "" {
		t.Fatalf("attack: there is no way in %q", via)
	}
	if _, ok := Find(id); !ok {
		t.Fatalf("attack: the catalogue has no case %q", id)
	}
	passed := t.Run(id+"/"+string(via), run)
	test, _, _ := strings.Cut(t.Name(), "/") // the way in is told already
	record(t, Result{ID: id, Front: via.Front(), Via: via, Test: test, Passed: passed})
}

// through is the way in of a result; "" when its front has several and it names none.
func (r Result) through() Via {
	switch {
	case r.Via != "":
		return r.Via
	case r.Front == Gateway:
		return ViaGateway
	case r.Front == Library:
		return ViaLibrary
	case r.Front == ExtAuthz:
		return ViaEnvoy
	default:
		return ""
	}
}

// matrixAreas are those whose cases are told by way in.
func matrixAreas() []string { return []string{"PATH", "FWD", "OAS"} }

// An absence is why cases have no place at some ways in.
type absence struct {
	ids  []string // cases, or whole areas
	vias []Via
	why  string
}

// absences are all that are known. A way in without a result and without one of
// these is a gap; the first that fits is told.
func absences() []absence {
	asking := []Via{ViaNginx, ViaCaddy, ViaHAProxy, ViaTraefik, ViaEnvoy, ViaEnvoyHTTP}
	replayed := []Via{ViaTraefik, ViaEnvoy, ViaEnvoyHTTP}
	ours := []Via{ViaGateway, ViaLibrary, ViaVerify}
	return []absence{
		{[]string{"FWD"}, ours, "nobody asks: there is no proxy between"},
		{[]string{"FWD-02", "FWD-12"}, replayed, "what the proxy itself does, and it cannot be run in a test: what it sends is replayed"},
		{[]string{"FWD-16"}, asking, "of Envoy's protocol over gRPC alone"},
		{[]string{"FWD-17"}, []Via{ViaTraefik}, "a middleware of the proxy's own takes it out, and the proxy cannot be run in a test"},
		{[]string{"FWD-18"}, []Via{ViaEnvoy, ViaEnvoyHTTP}, "tickets are refused at start"},
		{[]string{"FWD-11"}, []Via{ViaEnvoy}, "the question is a message, which is whole or none; one that shows a body is denied, see FWD-16"},
		{[]string{"PATH"}, []Via{ViaVerify}, "verify judges with the gateway's stages, as the other cases show: this one is of what a server reads or forwards"},
		{[]string{"PATH-16"}, asking, "warder takes no prefix off: the proxy forwards the target as it came"},
		{[]string{"PATH-18"}, asking, "random targets are tried where warder forwards, against the routes of real upstreams"},
		{[]string{"OAS-01", "OAS-02", "OAS-03"}, Vias(), "of reading a document, at start and when it changes: no request is sent"},
		{[]string{"OAS"}, []Via{ViaVerify}, "no body is shown to it"},
	}
}

// absent is why the case has no place at via; "" when it must have been tried there.
func absent(e Entry, via Via) string {
	for _, a := range absences() {
		if slices.Contains(a.vias, via) && (slices.Contains(a.ids, e.ID) || slices.Contains(a.ids, e.Area())) {
			return a.why
		}
	}
	return ""
}

// writeMatrix writes what results show of the cases of an area by way in.
func writeMatrix(b *bytes.Buffer, area string, entries []Entry, results []Result) (gaps []string) {
	fmt.Fprintf(b, "\n### %s by way in\n\n| id |", area)
	for _, via := range Vias() {
		fmt.Fprintf(b, " %s |", via)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(Vias())) + "\n")
	var notes []string
	for _, e := range entries {
		if e.Area() != area {
			continue
		}
		fmt.Fprintf(b, "| %s |", e.ID)
		for _, via := range Vias() {
			text, gap := standing(e, via, results)
			if gap != "" {
				gaps = append(gaps, gap)
			}
			if why, isNote := strings.CutPrefix(text, "– "); isNote {
				text = "– " + number(&notes, why)
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	for i, note := range notes {
		fmt.Fprintf(b, "%d. %s\n", i+1, cell(note))
	}
	return gaps
}

// standing is the text of a cell, "– " with the reason where the case has no place,
// and what is wrong with it.
func standing(e Entry, via Via, results []Result) (text, gap string) {
	tried := false
	for _, r := range results {
		if r.ID != e.ID || r.through() != via {
			continue
		}
		if !r.Passed {
			return "**does not hold**", "" // which the front tells
		}
		tried = true
	}
	switch why := absent(e, via); {
	case tried:
		return "held", ""
	case why != "":
		return "– " + why, ""
	case e.Waits != "":
		return "waits", ""
	default:
		return "**not tried**", fmt.Sprintf("%s: no result via %s", e.ID, via)
	}
}

// number is that of a note, which is added when it is new.
func number(notes *[]string, why string) string {
	i := slices.Index(*notes, why)
	if i < 0 {
		i = len(*notes)
		*notes = append(*notes, why)
	}
	return fmt.Sprint(i + 1)
}
