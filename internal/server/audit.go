package server

import (
	"github.com/warder-dev/warder/audit"
)

// AuditOptions say how the log of what was changed is signed.
type AuditOptions struct {
	_      [0]func()
	Store  audit.Store
	Signer *audit.Signer
	Keep   func(audit.Checkpoint) error // keeps each checkpoint elsewhere; may be nil
}

// signAudit begins to sign the audit log, and watches whether it holds.
func (p *program) signAudit() error {
	o := p.options
	if o.Audit == nil {
		return nil
	}
	var err error
	p.checkpoints, err = audit.NewCheckpointer(audit.CheckpointerConfig{
		Store: o.Audit.Store, Signer: o.Audit.Signer, Keep: o.Audit.Keep, Log: o.Log, Node: p.member.ID(),
		Interval: o.Config.Audit.CheckpointInterval, Entries: int64(o.Config.Audit.CheckpointEntries),
	})
	if err != nil {
		return err
	}
	return p.metrics.Watch("warder_audit_broken", "1 when the audit log was not what was written, as far as it was verified for the last checkpoint.", func() float64 {
		if p.checkpoints.Broken() {
			return 1
		}
		return 0
	})
}
