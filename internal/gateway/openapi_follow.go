package gateway

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"time"
)

// serve lets v be what is served, once documents.join was asked for it.
func (d *document) serve(v *version) {
	d.served, d.sum = v, v.sum
	base := d.baseOf(v.document)
	d.base.Store(&base)
	d.held, d.less, d.problem = nil, nil, ""
}

// follow reads the document again and again until ctx ends.
func (d *document) follow(ctx context.Context) {
	tick := time.NewTicker(d.cfg.Reload)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			text, err := d.read(ctx)
			if ctx.Err() != nil {
				return
			}
			d.reload(text, err)
		}
	}
}

// reload judges what was read: what cannot be used, or asks for less, changes
// nothing.
func (d *document) reload(text []byte, err error) {
	d.gateway.documents.mu.Lock()
	defer d.gateway.documents.mu.Unlock()
	if err != nil {
		d.fail("cannot be read: " + err.Error())
		return
	}
	switch sum := sha256.Sum256(text); {
	case sum == d.sum:
		if d.problem != "" || d.held != nil {
			d.log().Info("the document is again the one that is served")
		}
		d.held, d.less, d.problem = nil, nil, ""
		return
	case d.held != nil && sum == d.held.sum: // told already
		d.problem = ""
		return
	}
	v, err := d.version(text)
	if err == nil {
		err = d.goesWith(v)
	}
	if err != nil {
		d.fail("is not usable: " + err.Error())
		return
	}
	d.compare(v)
	less := d.loosened(v)
	if len(less) > 0 && !d.cfg.InsecureFollowUpstream {
		d.held, d.less, d.problem = v, less, ""
		d.tellLess("the document was changed so that it asks for less: what was served stays until somebody confirms, by the admin listener or a restart", less)
		d.tellChanges(v)
		return
	}
	if err := d.exchange(v); err != nil {
		d.fail("is not usable: " + err.Error())
		return
	}
	if len(less) > 0 {
		d.tellLess("the document was changed so that it asks for less, and is followed all the same", less)
	}
	d.tellChanges(v)
	d.tell()
}

// goesWith reports why v cannot be served beside the other routes, so that nobody is
// asked to confirm what cannot be.
func (d *document) goesWith(v *version) error {
	before := d.served
	d.served = v
	_, err := d.gateway.documents.join()
	d.served = before
	return err
}

// exchange serves v from now on.
func (d *document) exchange(v *version) error {
	before, held, less, problem := d.served, d.held, d.less, d.problem
	d.serve(v)
	next, err := d.gateway.documents.join()
	if err != nil {
		d.serve(before)
		d.held, d.less, d.problem = held, less, problem
		return err
	}
	d.gateway.documents.table.current.Store(next)
	return nil
}

// fail notes that the document cannot be used, and says so once for each reason.
func (d *document) fail(problem string) {
	if d.problem != problem {
		d.log().Warn("the document "+problem, slog.Bool("served", d.served != nil))
	}
	d.problem = problem
}

func (d *document) log() *slog.Logger {
	return d.gateway.cfg.Log.With(slog.String("document", d.cfg.Name))
}

// tell says what is served.
func (d *document) tell() {
	v := d.served
	open := 0
	for i := range v.operations {
		if o := v.operations[i].Operation; o != nil && o.Public() {
			open++
		}
	}
	d.drift.keep(v.operations)
	d.log().Info("the operations of an OpenAPI document are served", slog.Int("operations", len(v.document.Operations)), slog.Int("open", open))
	for i, warning := range v.document.Warnings {
		if i == 10 {
			d.log().Info("and more that nobody enforces", slog.Int("warnings", len(v.document.Warnings)-i))
			break
		}
		d.log().Info("the document says what nobody enforces", slog.String("what", warning))
	}
}
