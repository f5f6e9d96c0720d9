package keyservice

import (
	"log/slog"
	"strconv"
	"time"

	"github.com/warder-dev/warder/accesslog"
)

// A Decision is what the access log says of a request: the same fields, each as it
// stands there, and no other.
type Decision struct {
	Time           time.Time `json:"time" doc:"when the last byte was written" example:"2026-11-29T12:00:00.000123Z"`
	ID             string    `json:"id,omitempty" doc:"the request's id" example:"0JZ2Q8X0V5T7C"`
	TraceID        string    `json:"trace_id,omitempty" doc:"the trace that it belongs to"`
	Method         string    `json:"method" example:"GET"`
	Host           string    `json:"host,omitempty" example:"api.example.com"`
	Route          string    `json:"route,omitempty" doc:"the pattern that matched" example:"/orders/"`
	Path           string    `json:"path,omitempty" doc:"without query, and masked, as the configuration has it logged" example:"/orders/1"`
	Proto          string    `json:"proto,omitempty" example:"HTTP/1.1"`
	Listener       string    `json:"listener,omitempty" doc:"where it came to, by its setting; absent where there is one listener only" example:"listeners.internal"`
	Status         int       `json:"status" doc:"0 when the client got none" example:"401"`
	Bytes          int64     `json:"bytes" doc:"of the answer's body" example:"180"`
	DurationUS     int64     `json:"duration_us" doc:"microseconds" example:"412"`
	Client         string    `json:"client,omitempty" doc:"the client's address" example:"192.0.2.7"`
	ClientDoubtful bool      `json:"client_doubtful,omitempty" doc:"true when a proxy did not say whose it is"`
	KeyID          string    `json:"key_id,omitempty" doc:"of the key that was used, or that the request claimed to have" example:"7HqLk2mVxWcP"`
	Credits        int64     `json:"credits,omitempty" doc:"what it cost"`
	Stage          string    `json:"stage,omitempty" doc:"the stage that refused" example:"authn"`
	Reason         string    `json:"reason,omitempty" doc:"the word for why" example:"revoked"`
	Aborted        bool      `json:"aborted,omitempty" doc:"true when the answer was cut"`
	Upgraded       bool      `json:"upgraded,omitempty" doc:"true when the connection left HTTP"`
	Error          string    `json:"error,omitempty" doc:"what failed inside, masked"`
}

// Missed is how many decisions came faster than they were read.
type Missed struct {
	Count int64 `json:"count,omitempty" doc:"how many, of all that were made; absent for who is bound to an owner, whom others' are no business of" example:"120"`
}

// decisionOf is a record of the access log.
func decisionOf(told *accesslog.Told) (d Decision) {
	d.Time = told.At.UTC()
	for _, a := range told.Attrs {
		d.set(a)
	}
	return d
}

// set takes over a field. One that is not known here is not told.
func (d *Decision) set(a slog.Attr) {
	switch a.Key {
	case "status":
		d.Status = int(a.Value.Int64())
	case "bytes":
		d.Bytes = a.Value.Int64()
	case "duration_us":
		d.DurationUS = a.Value.Int64()
	case "credits":
		d.Credits = a.Value.Int64()
	case "client_doubtful":
		d.ClientDoubtful = a.Value.Bool()
	case "aborted":
		d.Aborted = a.Value.Bool()
	case "upgraded":
		d.Upgraded = a.Value.Bool()
	default:
		if text := d.text(a.Key); text != nil {
			*text = a.Value.String()
		}
	}
}

// text is the field of that name that is a text; nil for none.
func (d *Decision) text(name string) *string {
	switch name {
	case "id":
		return &d.ID
	case "trace_id":
		return &d.TraceID
	case "method":
		return &d.Method
	case "host":
		return &d.Host
	case "route":
		return &d.Route
	case "path":
		return &d.Path
	case "proto":
		return &d.Proto
	case "listener":
		return &d.Listener
	case "client":
		return &d.Client
	case "key_id":
		return &d.KeyID
	case "stage":
		return &d.Stage
	case "reason":
		return &d.Reason
	case "error":
		return &d.Error
	default:
		return nil
	}
}

// code reports whether the decision has the code: a status, or a reason.
func (d *Decision) code(code string) bool {
	return code == d.Reason || code == strconv.Itoa(d.Status)
}
