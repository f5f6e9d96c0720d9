package keyservice_test

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/audit"
)

// A shown is what the document has of an operation's bodies.
type shown struct {
	OperationID string
	RequestBody struct {
		Content map[string]struct{ Example any }
	}
	Responses map[string]struct {
		Content map[string]struct{ Example any }
	}
}

// operationsShown reads the document.
func operationsShown(t *testing.T, document []byte) []shown {
	t.Helper()
	var doc struct{ Paths map[string]map[string]shown }
	must(t, json.Unmarshal(document, &doc))
	var all []shown
	for _, methods := range doc.Paths {
		for _, o := range methods {
			all = append(all, o)
		}
	}
	if len(all) < 60 {
		t.Fatalf("the document has %d operations: were they read?", len(all))
	}
	return all
}

// Whatever an operation takes and answers with has an example, but for a body in
// which there is nothing.
func TestEachOperationShowsWhatItTakesAndAnswers(t *testing.T) {
	empty := []string{"offerFactor", "renewRecoveryCodes"} // they take {}
	for _, o := range operationsShown(t, newWorld(t).service.Document()) {
		for kind, body := range o.RequestBody.Content {
			if members, ok := body.Example.(map[string]any); (!ok || len(members) == 0) && !slices.Contains(empty, o.OperationID) {
				t.Errorf("%s has no example of the %s that it takes", o.OperationID, kind)
			}
		}
		for status, r := range o.Responses {
			for kind, body := range r.Content {
				if body.Example == nil || body.Example == "" {
					t.Errorf("%s has no example of the %s of its %s", o.OperationID, kind, status)
				}
			}
		}
	}
}

// The export that the document shows is one that verifies, and the same in both forms.
func TestTheExportThatIsShownVerifies(t *testing.T) {
	for _, o := range operationsShown(t, newWorld(t).service.Document()) {
		if o.OperationID != "exportAudit" {
			continue
		}
		content := o.Responses["200"].Content
		lines, _ := content["application/x-ndjson"].Example.(string)
		table, _ := content["text/csv"].Example.(string)
		chain := audit.NewChain(nil)
		var again strings.Builder
		to := audit.NewCSVWriter(&again)
		must(t, audit.ReadExport(strings.NewReader(lines), func(e *audit.Entry) error {
			must(t, to.Write(e))
			return chain.Add(e)
		}))
		must(t, to.Flush())
		must(t, chain.End())
		rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
		must(t, err)
		if chain.Head().Seq != 1 || len(rows) != 2 || table != again.String() {
			t.Errorf("the log ends with %v, and as a table is\n%s\nwant\n%s", chain.Head(), table, again.String())
		}
		return
	}
	t.Error("the document has no exportAudit")
}
