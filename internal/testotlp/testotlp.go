// Package testotlp is a collector of traces for tests: a server that takes what
// OpenTelemetry's protocol posts over HTTP, and reads it strictly. A field that it
// does not know is an error. The module interop reads the same posts by the
// protocol's own package.
package testotlp

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// A Span is one that was posted.
type Span struct {
	Trace, ID, Parent string // in hexadecimal
	State             string
	Name              string
	Kind              uint64 // 1 internal, 2 server, 3 client
	Start, End        uint64 // nanoseconds since 1970
	Flags             uint32
	Failed            bool
	Text              map[string]string // attributes
	Int               map[string]int64
}

// A Collector takes spans. It is safe for concurrent use.
type Collector struct {
	URL string // of its traces

	mu       sync.Mutex
	bodies   [][]byte
	headers  []http.Header
	resource map[string]string
	spans    []Span
	answer   func(w http.ResponseWriter, r *http.Request) bool
}

// Start runs a Collector until the test ends.
func Start(tb testing.TB) *Collector {
	tb.Helper()
	c := new(Collector)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.take(tb, w, r) }))
	tb.Cleanup(server.Close)
	c.URL = server.URL + "/v1/traces"
	return c
}

// Answer lets answer answer instead of the collector where it returns true. It may
// be called by several goroutines at once.
func (c *Collector) Answer(answer func(w http.ResponseWriter, r *http.Request) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = answer
}

func (c *Collector) take(tb testing.TB, w http.ResponseWriter, r *http.Request) {
	tb.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // who posts has given up
	}
	c.mu.Lock()
	answer := c.answer
	c.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		tb.Errorf("the collector was asked %s %s with %q", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	resource, spans, err := Decode(body)
	if err != nil {
		tb.Errorf("the collector cannot read a post: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bodies, c.headers, c.resource, c.spans = append(c.bodies, body), append(c.headers, r.Header), resource, append(c.spans, spans...)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// Spans returns those that came so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Resource returns the attributes of who posted last.
func (c *Collector) Resource() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resource
}

// Posts returns the bodies and header fields of what came so far.
func (c *Collector) Posts() ([][]byte, []http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([][]byte(nil), c.bodies...), append([]http.Header(nil), c.headers...)
}

// Decode reads an ExportTraceServiceRequest.
func Decode(body []byte) (resource map[string]string, spans []Span, err error) {
	resource = map[string]string{}
	err = each(body, func(number protowire.Number, f field) error {
		if number != 1 {
			return f.unknown("request", number)
		}
		return each(f.bytes, func(number protowire.Number, f field) error {
			switch number {
			case 1: // resource
				return each(f.bytes, func(number protowire.Number, f field) error {
					if number != 1 {
						return f.unknown("resource", number)
					}
					return attribute(f.bytes, resource, nil)
				})
			case 2: // scope_spans
				return each(f.bytes, func(number protowire.Number, f field) error {
					switch number {
					case 1: // scope
						return nil
					case 2:
						s, err := span(f.bytes)
						spans = append(spans, s)
						return err
					default:
						return f.unknown("scope_spans", number)
					}
				})
			default:
				return f.unknown("resource_spans", number)
			}
		})
	})
	return resource, spans, err
}

func span(b []byte) (Span, error) {
	s := Span{Text: map[string]string{}, Int: map[string]int64{}}
	err := each(b, func(number protowire.Number, f field) error {
		switch number {
		case 1:
			s.Trace = hex.EncodeToString(f.bytes)
		case 2:
			s.ID = hex.EncodeToString(f.bytes)
		case 3:
			s.State = string(f.bytes)
		case 4:
			s.Parent = hex.EncodeToString(f.bytes)
		case 5:
			s.Name = string(f.bytes)
		case 6:
			s.Kind = f.number
		case 7:
			s.Start = f.number
		case 8:
			s.End = f.number
		case 9:
			return attribute(f.bytes, s.Text, s.Int)
		case 15:
			return each(f.bytes, func(number protowire.Number, f field) error {
				if number != 3 || f.number != 2 {
					return f.unknown("status", number)
				}
				s.Failed = true
				return nil
			})
		case 16:
			s.Flags = uint32(f.number) //nolint:gosec // it is one of 32 bits
		default:
			return f.unknown("span", number)
		}
		return nil
	})
	if err == nil && (len(s.Trace) != 32 || len(s.ID) != 16 || len(s.Parent) != 0 && len(s.Parent) != 16 || s.Name == "" || s.End < s.Start) {
		err = fmt.Errorf("a span that is none: %+v", s)
	}
	return s, err
}

func attribute(b []byte, text map[string]string, ints map[string]int64) error {
	var key string
	return each(b, func(number protowire.Number, f field) error {
		switch number {
		case 1:
			key = string(f.bytes)
			return nil
		case 2:
			return each(f.bytes, func(number protowire.Number, f field) error {
				_, twice := text[key]
				switch {
				case twice:
					return fmt.Errorf("the attribute %s is there twice", key)
				case number == 1:
					text[key] = string(f.bytes)
				case number == 3 && ints != nil:
					ints[key] = int64(f.number) //nolint:gosec // protobuf's form of int64
				default:
					return f.unknown("value", number)
				}
				return nil
			})
		default:
			return f.unknown("attribute", number)
		}
	})
}

// A field is what stands in a message: bytes, or a number.
type field struct {
	bytes  []byte
	number uint64
}

func (field) unknown(where string, number protowire.Number) error {
	return fmt.Errorf("%s has a field %d", where, number)
}

// each calls f for every field of message.
func each(message []byte, f func(protowire.Number, field) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var is field
		switch kind {
		case protowire.BytesType:
			is.bytes, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			is.number, n = protowire.ConsumeVarint(message)
		case protowire.Fixed64Type:
			is.number, n = protowire.ConsumeFixed64(message)
		case protowire.Fixed32Type:
			var short uint32
			short, n = protowire.ConsumeFixed32(message)
			is.number = uint64(short)
		default:
			return fmt.Errorf("a field of type %d", kind)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := f(number, is); err != nil {
			return err
		}
	}
	return nil
}
