package audit

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// exported is an entry in an export: Before and After are the very text that was
// hashed, in a string.
type exported struct {
	Seq     int64  `json:"seq"`
	At      string `json:"at"`
	Actor   string `json:"actor"`
	Source  string `json:"source"`
	Op      string `json:"op"`
	Kind    string `json:"kind"`
	Subject string `json:"subject"`
	Before  string `json:"before"`
	After   string `json:"after"`
	Prev    Hash   `json:"prev"`
	Hash    Hash   `json:"hash"`
}

// A Writer writes an export. It is for one goroutine.
type Writer struct {
	entry func(*Entry) error
	flush func() error
}

// Write adds e.
func (w *Writer) Write(e *Entry) error { return w.entry(e) }

// Flush writes what is not written yet.
func (w *Writer) Flush() error { return w.flush() }

// NewJSONWriter writes one JSON object a line, which can be verified: see
// [ReadExport] and the package's documentation.
func NewJSONWriter(to io.Writer) *Writer {
	out := bufio.NewWriter(to)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return &Writer{flush: out.Flush, entry: func(e *Entry) error {
		return encoder.Encode(exported{
			e.Seq, e.At.UTC().Format(stamp), e.Actor, e.Source, e.Op, e.Kind, e.Subject, string(e.Before), string(e.After), e.Prev, e.Hash,
		})
	}}
}

// NewCSVWriter writes a table for people (RFC 4180), with a row of names. A cell
// that a spreadsheet would run as a formula gets an apostrophe before it, so that
// it cannot be verified as an export in JSON can.
func NewCSVWriter(to io.Writer) *Writer {
	out := csv.NewWriter(to)
	begun := false
	begin := func() error {
		if begun {
			return nil
		}
		begun = true
		return out.Write([]string{"seq", "at", "actor", "source", "op", "kind", "subject", "before", "after", "prev", "hash"})
	}
	return &Writer{
		entry: func(e *Entry) error {
			row := []string{
				strconv.FormatInt(e.Seq, 10), e.At.UTC().Format(stamp), e.Actor, e.Source, e.Op, e.Kind, e.Subject, string(e.Before), string(e.After),
				e.Prev.String(), e.Hash.String(),
			}
			for i := range row {
				row[i] = cell(row[i])
			}
			return errors.Join(begin(), out.Write(row))
		},
		flush: func() error {
			err := begin()
			out.Flush()
			return errors.Join(err, out.Error())
		},
	}
}

// cell is text that no spreadsheet runs: neither from its beginning, nor from behind what
// some take for the end of a cell, such as ";" where a comma divides decimals.
func cell(text string) string {
	const begins, ends, between = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20", ";\t\r\n", " \"'"
	var out strings.Builder
	begun := true
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		if begun && strings.ContainsRune(begins, r) {
			out.WriteByte('\'')
		}
		out.WriteString(text[:n])
		text = text[n:]
		begun = strings.ContainsRune(ends, r) || begun && strings.ContainsRune(between, r)
	}
	return out.String()
}

// maxExportLine is how long a line of an export may be, in bytes: two states, each
// escaped, and the texts.
const maxExportLine = 16 << 20

// ReadExport calls each for every entry of an export in JSON, until each fails.
// What is not such a line is an error that names it; nothing is verified: see
// [Chain.Add].
func ReadExport(r io.Reader, each func(*Entry) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxExportLine)
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		e, err := parseExported(lines.Bytes())
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if err := each(&e); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("audit: read export: line %d: %w", n+1, err)
	}
	return nil
}

var errExport = errors.New("audit: not an entry as warder audit export --format jsonl writes it")

func parseExported(text []byte) (Entry, error) {
	var x exported
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&x) != nil || decoder.More() {
		return Entry{}, errExport
	}
	at, err := time.Parse(stamp, x.At)
	if err != nil {
		return Entry{}, errExport
	}
	e := Entry{Seq: x.Seq, Event: Event{At: at, Actor: x.Actor, Source: x.Source, Op: x.Op, Kind: x.Kind, Subject: x.Subject}, Prev: x.Prev, Hash: x.Hash}
	if x.Before != "" {
		e.Before = json.RawMessage(x.Before)
	}
	if x.After != "" {
		e.After = json.RawMessage(x.After)
	}
	return e, nil
}
