package keyimport

import (
	"bufio"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// metadataColumn begins the names of columns that become metadata.
const metadataColumn = "metadata."

// table is a CSV file (RFC 4180) with a first line of names.
type table struct {
	r       *csv.Reader
	bound   *bounded
	line    int // of the newest record
	columns map[string]int
}

// newTable reads the first line. known are the columns that there may be, wanted
// those of which one at least must be.
func newTable(r io.Reader, known, wanted []string, metadata bool) (*table, error) {
	bound := &bounded{r: r}
	bound.next()
	buffered := bufio.NewReaderSize(bound, 64<<10)
	if _, err := begins(buffered); errors.Is(err, io.EOF) {
		return nil, errEmpty
	}
	t := &table{r: csv.NewReader(buffered), bound: bound, columns: make(map[string]int)}
	t.r.ReuseRecord = true
	head, err := t.r.Read()
	if err != nil {
		return nil, t.broken(err)
	}
	if divider := foreignDivider(head, known); divider != "" {
		return nil, fmt.Errorf("keyimport: line 1: its columns are divided by %s: want commas", divider)
	}
	t.line = 1
	var errs []error
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		_, twice := t.columns[name]
		note := metadata && len(name) > len(metadataColumn) && strings.HasPrefix(name, metadataColumn)
		switch {
		case twice:
			errs = append(errs, fmt.Errorf("keyimport: line 1, column %d: has the name of column %d", i+1, t.columns[name]+1))
		case !note && !slices.Contains(known, name): // it may be a key, in a file without names
			errs = append(errs, fmt.Errorf("keyimport: line 1, column %d: is no name that is known: the first line names the columns, each one of %s", i+1, strings.Join(known, ", ")))
		default:
			t.columns[name] = i
		}
	}
	if !slices.ContainsFunc(wanted, func(name string) bool { _, ok := t.columns[name]; return ok }) {
		errs = append(errs, fmt.Errorf("keyimport: line 1: want a column %s", strings.Join(wanted, " or ")))
	}
	return t, errors.Join(errs...)
}

// foreignDivider is what divides the columns of a file that some spreadsheets write,
// whose first line is one column to us; "" when it is none of theirs.
func foreignDivider(head, known []string) string {
	for _, divider := range []string{";", "\t"} {
		first, _, divided := strings.Cut(head[0], divider)
		if len(head) == 1 && divided && slices.Contains(known, strings.ToLower(strings.TrimSpace(first))) {
			return map[string]string{";": `";"`, "\t": "tabs"}[divider]
		}
	}
	return ""
}

// broken is an error of the file's form, which ends it. What it says quotes nothing
// but places.
func (t *table) broken(err error) error {
	if errors.Is(err, errLong) {
		return tooLong(t.line)
	}
	parse, ok := errors.AsType[*csv.ParseError](err)
	if !ok {
		return err
	}
	at := fmt.Sprintf("keyimport: line %d, character %d: ", parse.Line, parse.Column)
	switch {
	case errors.Is(parse, csv.ErrBareQuote):
		return errors.New(at + `has a quote (") in a column that does not begin with one: put the column in quotes, and write each quote in it twice`)
	case errors.Is(parse, csv.ErrQuote) && parse.StartLine < parse.Line:
		return fmt.Errorf(`%sthe quote (") that opens a column in line %d is not closed well: want a comma or the line's end behind the closing one, and each quote within written twice`, at, parse.StartLine)
	case errors.Is(parse, csv.ErrQuote):
		return errors.New(at + `the quote (") that opens a column is not closed well: want a comma or the line's end behind the closing one, and each quote within written twice`)
	default:
		return fmt.Errorf("%s%w", at, parse.Err)
	}
}

// next returns the next line and its number. One that has not as many columns as
// the first is returned all the same.
func (t *table) next() (record []string, line int, err error) {
	t.bound.next()
	record, err = t.r.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, 0, io.EOF
	case err != nil && !errors.Is(err, csv.ErrFieldCount):
		return nil, 0, t.broken(err)
	}
	line, _ = t.r.FieldPos(0)
	t.line = line
	return record, line, nil
}

// each sends an entry of every line.
func (t *table) each(yield func(Entry, error) bool, fill func(e *entry, get func(string) string)) error {
	for {
		record, line, err := t.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		e := &entry{Entry: Entry{At: "line " + strconv.Itoa(line), columns: t.columns}}
		if want := t.r.FieldsPerRecord; len(record) != want {
			// Which column is which is not known: nothing else of it is judged.
			e.errs = append(e.errs, &FieldError{e.At, "the line", fmt.Sprintf("want %d columns as in line 1, not %d", want, len(record))})
		} else {
			fill(e, func(name string) string {
				i, ok := t.columns[name]
				if !ok {
					return ""
				}
				return strings.Clone(strings.TrimSpace(record[i])) // not with the line around it
			})
		}
		if err := e.send(yield); err != nil {
			return err
		}
	}
}

// flag reads a column that says yes or no.
func (e *entry) flag(field, value string, missing bool) bool {
	switch strings.ToLower(value) {
	case "":
		return missing
	case "true", "yes", "1":
		return true
	case "false", "no", "0":
		return false
	default:
		e.wrong(field, "want true or false (also yes or no, 1 or 0), or nothing")
		return missing
	}
}

func readAWS(r io.Reader, yield func(Entry, error) bool) error {
	known := []string{"name", "key", "description", "enabled", "usageplanids"}
	t, err := newTable(r, known, []string{"key"}, false)
	if err != nil {
		return err
	}
	return t.each(yield, func(e *entry, get func(string) string) {
		e.text("key", get("key"))
		e.Name = get("name")
		e.Disabled = !e.flag("enabled", get("enabled"), true)
		e.note("description", get("description"))
		e.note("aws_usage_plans", get("usageplanids"))
	})
}

func readCSV(r io.Reader, yield func(Entry, error) bool) error {
	known := []string{"key", "hash", "format", "name", "owner", "environment", "scopes", "expires", "enabled", "plan", metadataColumn + "NAME"}
	t, err := newTable(r, known, []string{"key", "hash"}, true)
	if err != nil {
		return err
	}
	return t.each(yield, func(e *entry, get func(string) string) {
		e.keyOrHash(get("key"), get("hash"), get("format"))
		e.Name, e.Owner, e.Environment = get("name"), get("owner"), apikey.Environment(get("environment"))
		e.Plan, e.Scopes = get("plan"), strings.Fields(get("scopes"))
		e.Disabled = !e.flag("enabled", get("enabled"), true)
		if text := get("expires"); text != "" {
			expires, err := time.Parse(time.RFC3339, text)
			if err != nil {
				e.wrong("expires", "want a time such as 2027-01-31T00:00:00Z, or nothing for never")
			}
			e.Expires = expires.UTC()
		}
		for name := range t.columns {
			if note, ok := strings.CutPrefix(name, metadataColumn); ok {
				e.note(note, get(name))
			}
		}
	})
}

// missing reports that there is neither key nor hash, at the column that there is.
func (e *entry) missing() {
	field := "key"
	if _, ok := e.columns[field]; !ok {
		field = "hash"
	}
	e.wrong(field, "is missing")
}

// keyOrHash takes the one that is there.
func (e *entry) keyOrHash(key, hash, format string) {
	if format == "" {
		format = apikey.FormatSHA256
	}
	length := map[string]int{apikey.FormatSHA256: 32, apikey.FormatSHA512: 64}[format]
	digest, err := hex.DecodeString(hash)
	switch {
	case key != "" && hash != "":
		e.wrong("hash", "is given together with key: want one of both")
	case key != "":
		e.text("key", key)
	case hash == "":
		e.missing()
	case length == 0:
		e.wrong("format", "want %s or %s", apikey.FormatSHA256, apikey.FormatSHA512)
	case err != nil || len(digest) != length:
		e.wrong("hash", "want the %s of the key in hex: %d digits", format, 2*length)
	default:
		e.Format, e.Digest = format, digest
	}
}
