package gateway

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// maxShapes is how many undeclared paths are told apart.
const maxShapes = 256

// counts are of one operation, since the start.
type counts struct{ seen, invalid atomic.Uint64 }

// drift is what a document and the traffic do not agree about. It lives as long as
// the process, whatever the document and the settings become.
type drift struct {
	mu         sync.Mutex
	operations map[string]*counts // by pattern
	undeclared map[string]uint64  // by method and shape of the path
	other      uint64             // undeclared, of shapes that did not fit in
	gone       counts             // of operations that are not served any more, so that metrics never fall
	total      atomic.Uint64      // undeclared
}

// operation returns the counts of an operation.
func (d *drift) operation(pattern string) *counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.operations == nil {
		d.operations = map[string]*counts{}
	}
	if d.operations[pattern] == nil {
		d.operations[pattern] = new(counts)
	}
	return d.operations[pattern]
}

// keep forgets operations that are not served any more, so that a document which
// changes for ever takes no more memory for it.
func (d *drift) keep(served []operation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := make(map[string]*counts, len(served))
	for i := range served {
		if stage, ok := served[i].policy.Validate.(*operationStage); ok && stage.count != nil {
			kept[served[i].pattern] = stage.count
		}
	}
	for pattern, n := range d.operations {
		if kept[pattern] != n {
			d.gone.seen.Add(n.seen.Load())
			d.gone.invalid.Add(n.invalid.Load())
		}
	}
	d.operations = kept
}

// note counts a request that the document does not declare.
func (d *drift) note(x *exchange.Exchange) {
	d.total.Add(1)
	key := shapeOf(x.Request.Method, x.Path)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.undeclared == nil {
		d.undeclared = map[string]uint64{}
	}
	if _, known := d.undeclared[key]; !known && len(d.undeclared) >= maxShapes {
		d.other++
		return
	}
	d.undeclared[key]++
}

// shapeOf is a method and a path of which only plain words are left: what names one
// thing among others, or may be a secret, is {}.
func shapeOf(method, path string) string {
	const most = 8 // segments
	if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, method) {
		method = "OTHER"
	}
	segments := strings.SplitN(strings.TrimPrefix(path, "/"), "/", most+1)
	for i, segment := range segments {
		if len(segment) > 24 || strings.Trim(segment, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") != "" {
			segments[i] = "{}"
		}
	}
	if len(segments) > most {
		segments[most] = "..."
	}
	return method + " /" + strings.Join(segments, "/")
}

// unmatched notes a request that matched no route, for the document whose it would
// have been.
func (d *documents) unmatched(x *exchange.Exchange) {
	for _, one := range d.all {
		base := one.base.Load()
		if base != nil && (one.cfg.Host == "" || one.cfg.Host == x.Host) && strings.HasPrefix(x.Path, *base+"/") {
			one.drift.note(x)
			return
		}
	}
}

// A DocumentState is how it is with a document.
type DocumentState struct {
	Name       string    `json:"name"`
	Operations int       `json:"operations"`
	Since      time.Time `json:"since"`             // from when on it is served
	Problem    string    `json:"problem,omitempty"` // why the last reading changed nothing
	Held       []string  `json:"held,omitempty"`    // what a changed document asks for less, which waits to be confirmed

	// Changed is what the document that waits, or the last that was put in place of
	// another, says of parameters and bodies in another way.
	Changed []OperationChange `json:"changed,omitempty"`

	Warnings []string `json:"warnings,omitempty"`
}

// A Drift is what a document and the traffic do not agree about, since the start.
type Drift struct {
	DocumentState

	NeverSeen       []string  `json:"never_seen"`       // declared operations that nobody called
	Invalid         []Counted `json:"invalid"`          // operations with requests that were refused, or would have been
	Undeclared      []Counted `json:"undeclared"`       // the most frequent first
	UndeclaredOther uint64    `json:"undeclared_other"` // of more shapes than are told apart
}

// A Counted is an operation, or the shape of a path, with a number of requests.
type Counted struct {
	What  string `json:"what"`
	Times uint64 `json:"times"`
}

// state must be called with documents.mu.
func (d *document) state() DocumentState {
	changed := d.served.changed
	if d.held != nil {
		changed = d.held.changed
	}
	return DocumentState{
		Name: d.cfg.Name, Operations: len(d.served.document.Operations), Since: d.served.since.UTC().Truncate(time.Second),
		Problem: d.problem, Held: slices.Clone(d.less), Changed: changed, Warnings: d.served.document.Warnings,
	}
}

// Documents tells how it is with each document.
func (g *Gateway) Documents() (all []DocumentState) {
	g.documents.mu.Lock()
	defer g.documents.mu.Unlock()
	for _, d := range g.documents.all {
		all = append(all, d.state())
	}
	return all
}

// Drifts tells of each document where it and the traffic do not agree.
func (g *Gateway) Drifts() []Drift {
	g.documents.mu.Lock()
	defer g.documents.mu.Unlock()
	all := make([]Drift, 0, len(g.documents.all))
	for _, d := range g.documents.all {
		all = append(all, d.report())
	}
	return all
}

func (d *document) report() Drift {
	report := Drift{DocumentState: d.state(), NeverSeen: []string{}, Invalid: []Counted{}, Undeclared: []Counted{}}
	d.drift.mu.Lock()
	defer d.drift.mu.Unlock()
	for i := range d.served.operations {
		o := &d.served.operations[i]
		n := d.drift.operations[o.pattern]
		if o.Operation == nil || n == nil {
			continue
		}
		if n.seen.Load() == 0 {
			report.NeverSeen = append(report.NeverSeen, o.Name())
		}
		if times := n.invalid.Load(); times > 0 {
			report.Invalid = append(report.Invalid, Counted{o.Name(), times})
		}
	}
	for shape, times := range d.drift.undeclared {
		report.Undeclared = append(report.Undeclared, Counted{shape, times})
	}
	for _, list := range [][]Counted{report.Invalid, report.Undeclared} {
		slices.SortFunc(list, func(a, b Counted) int { return cmp.Or(cmp.Compare(b.Times, a.Times), strings.Compare(a.What, b.What)) })
	}
	report.UndeclaredOther = d.drift.other
	return report
}

// DocumentCounts are the figures of one document, for metrics.
type DocumentCounts struct {
	Name                      string
	Seen, Invalid, Undeclared uint64
	Failing, Held             bool
}

// DocumentCounts returns the figures of each document.
func (g *Gateway) DocumentCounts() (all []DocumentCounts) {
	g.documents.mu.Lock()
	defer g.documents.mu.Unlock()
	for _, d := range g.documents.all {
		c := DocumentCounts{Name: d.cfg.Name, Undeclared: d.drift.total.Load(), Failing: d.problem != "", Held: d.held != nil}
		d.drift.mu.Lock()
		c.Seen, c.Invalid = d.drift.gone.seen.Load(), d.drift.gone.invalid.Load()
		for _, n := range d.drift.operations {
			c.Seen, c.Invalid = c.Seen+n.seen.Load(), c.Invalid+n.invalid.Load()
		}
		d.drift.mu.Unlock()
		all = append(all, c)
	}
	return all
}

// What [Gateway.ConfirmDocument] may say.
var (
	ErrNoDocument = errors.New("no document has this name")
	ErrNotHeld    = errors.New("nothing waits to be confirmed")
)

// ConfirmDocument serves the changed document that asks for less, as it was read
// and listed, and returns what it asks for less. It calls before with that first, and
// serves what it served when that fails.
func (g *Gateway) ConfirmDocument(name string, before func(less []string) error) ([]string, error) {
	g.documents.mu.Lock()
	defer g.documents.mu.Unlock()
	for _, d := range g.documents.all {
		if d.cfg.Name != name {
			continue
		}
		if d.held == nil {
			return nil, ErrNotHeld
		}
		less := d.less
		if err := before(slices.Clone(less)); err != nil {
			return nil, err
		}
		if err := d.exchange(d.held); err != nil {
			return nil, err
		}
		d.tell()
		return less, nil
	}
	return nil, ErrNoDocument
}
