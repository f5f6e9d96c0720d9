package keyservice

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/ratelimit"
)

// RunningLimit is a limit of the node that answers.
type RunningLimit struct {
	Name       string   `json:"name" example:"per-key"`
	By         []string `json:"by" nullable:"false" doc:"what it tells subjects apart by; none: it counts everybody together" example:"[\"key\"]"`
	Count      int      `json:"count,omitempty" doc:"requests in each per" example:"600"`
	Per        string   `json:"per,omitempty" example:"1m0s"`
	Burst      int      `json:"burst,omitempty" doc:"how many at once" example:"600"`
	Concurrent int      `json:"concurrent,omitempty" doc:"or as many under way at once"`
	Shadow     bool     `json:"shadow,omitempty" doc:"it counts and refuses nothing"`
	Subjects   int      `json:"subjects" doc:"in memory, or under way" example:"12"`
	Passed     uint64   `json:"passed" example:"1200"`
	Refused    uint64   `json:"refused" example:"3"`
	Shadowed   uint64   `json:"shadowed" doc:"would have been refused" example:"0"`
}

// RunningLimits are the limits of the node that answers.
type RunningLimits struct {
	Limits []RunningLimit `json:"limits" nullable:"false"`
}

// RefusedSubject is a subject that a limit has refused.
type RefusedSubject struct {
	Subject string    `json:"subject" doc:"its id on this node" example:"9f3a61c20b7d4e58"`
	Who     string    `json:"who" doc:"by what the limit tells subjects apart" example:"key=7HqLk2mVxWcP"`
	Times   uint64    `json:"times" example:"3"`
	Over    uint64    `json:"over" doc:"at most so many of times were somebody else's" example:"0"`
	Last    time.Time `json:"last"`
}

// RefusedSubjects are those that a limit has refused most often.
type RefusedSubjects struct {
	Subjects []RefusedSubject `json:"subjects" nullable:"false"`
}

// LimitSubject names a subject of a limit.
type LimitSubject struct {
	Parts   map[string]string `json:"parts,omitempty" doc:"a value for each thing that the limit tells subjects apart by" maxProperties:"16" example:"{\"key\": \"7HqLk2mVxWcP\"}"`
	Subject string            `json:"subject,omitempty" doc:"its id on this node, in place of parts" maxLength:"16" pattern:"^[0-9a-f]{16}$" patternDescription:"16 hexadecimal digits"`
}

// LimitOverride gives a subject another quota.
type LimitOverride struct {
	LimitSubject

	Count int    `json:"count" doc:"requests in each per; 0 takes the override away" minimum:"0" maximum:"1000000000" example:"1000"`
	Per   string `json:"per,omitempty" doc:"such as 1m" maxLength:"32" example:"1m"`
	Burst int    `json:"burst,omitempty" doc:"how many at once; default count" minimum:"0" maximum:"1000000000"`
	For   string `json:"for,omitempty" doc:"how long it holds; default: as long as the node runs" maxLength:"32" example:"1h"`
}

// SubjectStanding is where a subject stands. Quota and what is left are known for one
// that was named by its parts.
type SubjectStanding struct {
	Subject string `json:"subject" doc:"its id on this node" example:"9f3a61c20b7d4e58"`
	Known   bool   `json:"known" doc:"the node had counted something of it, before a reset" example:"true"`
	Count   int    `json:"count,omitempty" example:"600"`
	Per     string `json:"per,omitempty" example:"1m0s"`
	Burst   int    `json:"burst,omitempty" example:"600"`
	Left    uint64 `json:"left" doc:"requests that may come at once" example:"599"`
	Wait    string `json:"wait,omitempty" doc:"until the next passes" example:"0s"`
	Whole   string `json:"whole,omitempty" doc:"until all of the burst is there again" example:"100ms"`
}

// LimitPath is the parameter of operations on one limit.
type LimitPath struct {
	Name string `path:"name" doc:"of the limit" pattern:"^[a-z0-9_-]+$" patternDescription:"lower case letters, digits, _ and -" maxLength:"64" example:"per-key"`
}

func (s *Service) listLimits(_ context.Context, _ *caller, _ *struct{}) (*answer[RunningLimits], error) {
	r, err := s.running()
	if err != nil {
		return nil, err
	}
	return &answer[RunningLimits]{Body: RunningLimits{Limits: r.Limits()}}, nil
}

func (s *Service) topOfLimit(_ context.Context, _ *caller, in *struct {
	LimitPath
	Number int `query:"n" minimum:"1" maximum:"64" doc:"how many; default 10"`
},
) (*answer[RefusedSubjects], error) {
	r, err := s.running()
	if err != nil {
		return nil, err
	}
	if in.Number == 0 {
		in.Number = 10
	}
	all, err := r.Refused(in.Name, in.Number)
	return ran(RefusedSubjects{Subjects: all}, err)
}

// partText reports whether a text may be a part of a subject.
func partText(s string) bool {
	const most = 1024
	return len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) })
}

// check says what the schema cannot.
func (l *LimitSubject) check(r *reader) {
	if l.Subject != "" && len(l.Parts) > 0 {
		r.fault("subject", "is given together with parts: one of them is enough")
	}
	for name, value := range l.Parts {
		if !partText(name) || !partText(value) {
			r.fault("parts", "want at most 1024 bytes in each, of characters that are seen")
			return
		}
	}
}

func (s *Service) standing(_ context.Context, _ *caller, in *struct {
	LimitPath
	Body LimitSubject
},
) (*answer[SubjectStanding], error) {
	run, err := s.running()
	if err != nil {
		return nil, err
	}
	var r reader
	if in.Body.check(&r); r.err() != nil {
		return nil, r.err()
	}
	return ran(run.Standing(in.Name, in.Body))
}

func (s *Service) resetLimit(ctx context.Context, c *caller, in *struct {
	LimitPath
	Body LimitSubject
},
) (*answer[SubjectStanding], error) {
	run, err := s.running()
	if err != nil {
		return nil, err
	}
	var r reader
	if in.Body.check(&r); r.err() != nil {
		return nil, r.err()
	}
	return ran(run.Reset(ctx, in.Name, in.Body, s.noting(ctx, c, "reset", audit.KindLimit, in.Name)))
}

func (s *Service) overrideLimit(ctx context.Context, c *caller, in *struct {
	LimitPath
	Body LimitOverride
},
) (*answer[SubjectStanding], error) {
	run, err := s.running()
	if err != nil {
		return nil, err
	}
	quota, until, err := in.Body.quota(time.Now())
	if err != nil {
		return nil, err
	}
	return ran(run.Override(in.Name, in.Body.LimitSubject, quota, until, s.noting(ctx, c, "override", audit.KindLimit, in.Name)))
}

// quota checks what the schema cannot, and returns the quota, and until when it holds:
// the zero time as long as the node runs.
func (o *LimitOverride) quota(now time.Time) (q ratelimit.Quota, until time.Time, _ error) {
	var r reader
	o.check(&r)
	lasts := r.duration("for", o.For)
	q = ratelimit.Quota{Count: o.Count, Per: r.duration("per", o.Per), Burst: o.Burst}
	switch {
	case o.Count == 0:
		for field, given := range map[string]bool{"per": o.Per != "", "burst": o.Burst != 0, "for": o.For != ""} {
			if given {
				r.fault(field, "has no effect with a count of 0, which takes the override away")
			}
		}
	case o.Per == "":
		r.fault("per", "is missing")
	case o.For != "" && lasts == 0 && !r.wrong("for"):
		r.fault("for", "want a time that is not over at once")
	}
	if lasts > 0 {
		until = now.Add(lasts)
	}
	return q, until, r.err()
}

// addLimits registers the operations on limits of the node that answers.
func (s *Service) addLimits() {
	const tag, one = "running", "/v1/limits/{name}"
	register(s, endpoint{id: "listLimits", method: http.MethodGet, path: "/v1/limits", tag: tag, right: ReadSettings, summary: "List the limits of this node, and what they decided"}, s.listLimits)
	register(s, endpoint{id: "topOfLimit", method: http.MethodGet, path: one + "/top", tag: tag, right: ReadSettings, also: []int{404}, summary: "Show whom a limit has refused most often"}, s.topOfLimit)
	register(s, endpoint{id: "limitStanding", method: http.MethodPost, path: one + ":standing", tag: tag, right: ReadSettings, also: bodyAlso(404), summary: "Show where a subject stands with a limit", description: "It is a POST since what a subject is told apart by is no matter of a URL. Nothing is counted."}, s.standing)
	register(s, endpoint{
		id: "resetLimit", method: http.MethodPost, path: one + ":reset", tag: tag, right: WriteSettings, also: bodyAlso(404),
		summary: "Give a subject its whole burst again", description: "On this node; on all of them where they share the limit, and then by parts alone.",
	}, s.resetLimit)
	register(s, endpoint{
		id: "overrideLimit", method: http.MethodPost, path: one + ":override", tag: tag, right: WriteSettings, also: bodyAlso(404, 409),
		summary: "Give a subject another quota, or take it away", description: "On this node, until it stops.",
	}, s.overrideLimit)
}
