package server

import (
	"log/slog"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/redact"
)

// maxAgent is how much of a User-Agent an alarm shows, in bytes.
const maxAgent = 256

// honeytoken counts and logs that somebody has found, and tries, what was laid
// out to be found.
func (p *program) honeytoken(x *exchange.Exchange, id apikey.ID) {
	p.metrics.Honeytoken()
	told, used := []any{slog.String("key_id", string(id))}, usedHoneytoken{KeyID: string(id)}
	if x != nil {
		agent := x.Request.UserAgent()
		used.Client, used.Agent = x.Client.String(), redact.Text(agent[:min(len(agent), maxAgent)])
		told = append(told, slog.String("id", x.ID), slog.String("client", used.Client), slog.String("user_agent", used.Agent),
			slog.String("method", x.Request.Method), slog.String("route", x.Route))
	}
	p.options.Log.Warn("a honeytoken was used: whoever sent it has read what it lay in", told...)
	if p.announcer != nil {
		p.announcer.tellHoneytoken(used)
	}
}
