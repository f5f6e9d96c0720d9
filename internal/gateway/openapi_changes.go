package gateway

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/warder-dev/warder/contract"
	"github.com/warder-dev/warder/internal/config"
)

// How much is told of what a document says in another way.
const (
	maxChanged = 500 // kept of one document
	maxLogged  = 20  // in the log
	maxJudged  = 3   // of one operation, among what a document asks for less
)

// An OperationChange is what an operation takes in another way than before.
type OperationChange struct {
	Operation string `json:"operation"` // method and path
	Where     string `json:"where"`     // such as "query limit", "body application/json #/count"
	What      string `json:"what"`
	Less      bool   `json:"less"` // requests may pass that were refused
}

// compare notes in v what it takes in another way than what is served.
// Operations that are not judged have nothing to compare.
func (d *document) compare(v *version) {
	before := map[string]*operation{}
	for i := range d.served.operations {
		before[d.served.operations[i].pattern] = &d.served.operations[i]
	}
	v.judgesLess = map[string][]string{}
	for i := range v.operations {
		o := &v.operations[i]
		old := before[o.pattern]
		if old == nil || old.Operation == nil || o.Operation == nil || old.mode == config.ModeOff {
			continue
		}
		changes := o.Changes(old.Operation, d.cfg.UnknownQuery == config.UnknownQueryAllow)
		v.judgesLess[o.pattern] = judgesLess(o.pattern, changes)
		for _, c := range changes {
			if len(v.changed) < maxChanged {
				v.changed = append(v.changed, OperationChange{Operation: o.Name(), Where: c.Where, What: c.What, Less: c.Less})
			}
		}
	}
	slices.SortStableFunc(v.changed, func(a, b OperationChange) int { // what asks for less comes first
		switch {
		case a.Less == b.Less:
			return 0
		case a.Less:
			return -1
		default:
			return 1
		}
	})
}

// judgesLess lists in short what passes now that was refused.
func judgesLess(pattern string, changes []contract.Change) (less []string) {
	n := 0
	for _, c := range changes {
		if !c.Less {
			continue
		}
		if n++; n <= maxJudged {
			less = append(less, pattern+" judges less: "+c.String())
		}
	}
	if n > maxJudged {
		less = append(less, fmt.Sprintf("%s judges less in %d more places", pattern, n-maxJudged))
	}
	return less
}

// tellLess says that the document asks for less.
func (d *document) tellLess(message string, less []string) {
	d.log().Warn(message, slog.Int("changes", len(less)), slog.String("less", strings.Join(less[:min(len(less), 10)], "; ")))
}

// tellChanges writes a line of its own for each change.
func (d *document) tellChanges(v *version) {
	for i, c := range v.changed {
		if i == maxLogged {
			d.log().Warn("and more that the document says in another way", slog.Int("changes", len(v.changed)-i))
			return
		}
		tell := d.log().Info
		if c.Less {
			tell = d.log().Warn
		}
		tell("an operation takes parameters or bodies in another way", slog.String("operation", c.Operation), slog.String("where", c.Where), slog.String("what", c.What), slog.Bool("less", c.Less))
	}
}
