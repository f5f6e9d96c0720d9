package keyimport

import (
	"bufio"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// metadataColumn begins the names of columns that become metadata.
const metadataColumn = "metadata."

// table is a CSV file (RFC 4180) with a first line of names.
type table struct {
	r       *csv.Reader
	columns map[string]int
}

// newTable reads the first line. known are the columns that there may be, wanted
// those of which one at least must be.
func newTable(r io.Reader, known, wanted []string, metadata bool) (*table, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	if _, err := begins(buffered); errors.Is(err, io.EOF) {
		return nil, errEmpty
	}
	t := &table{r: csv.NewReader(buffered), columns: make(map[string]int)}
	t.r.ReuseRecord = true
	head, err := t.r.Read()
	if err != nil {
		return nil, t.broken(err)
	}
	var errs []error
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		_, twice := t.columns[name]
		note := metadata && len(name) > len(metadataColumn) && strings.HasPrefix(name, metadataColumn)
		if twice || !note && !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("keyimport: line 1: column %d is there twice or is not known: want %s", i+1, strings.Join(known, ", ")))
			continue
		}
		t.columns[name] = i
	}
	if !slices.ContainsFunc(wanted, func(name string) bool { _, ok := t.columns[name]; return ok }) {
		errs = append(errs, fmt.Errorf("keyimport: line 1: want a column %s", strings.Join(wanted, " or ")))
	}
	return t, errors.Join(errs...)
}

// broken is an error of the file's form. What the reader says quotes nothing but
// places.
func (*table) broken(err error) error {
	parse, ok := errors.AsType[*csv.ParseError](err)
	if ok {
		return fmt.Errorf("keyimport: line %d: %w", parse.Line, parse.Err)
	}
	return err
}

// next returns the next line as a func of column names, and its number.
func (t *table) next() (get func(name string) string, line int, err error) {
	record, err := t.r.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, 0, io.EOF
		}
		return nil, 0, t.broken(err)
	}
	line, _ = t.r.FieldPos(0)
	return func(name string) string {
		i, ok := t.columns[name]
		if !ok {
			return ""
		}
		return strings.Clone(strings.TrimSpace(record[i])) // not with the line around it
	}, line, nil
}

// each sends an entry of every line.
func (t *table) each(yield func(Entry, error) bool, fill func(e *entry, get func(string) string)) error {
	for {
		get, line, err := t.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		e := at("line %d", line)
		fill(e, get)
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
		e.wrong(field, "want true or false")
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
				e.wrong("expires", "want a time such as 2027-01-31T00:00:00Z")
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

// keyOrHash takes the one that is there.
func (e *entry) keyOrHash(key, hash, format string) {
	if format == "" {
		format = apikey.FormatSHA256
	}
	length := map[string]int{apikey.FormatSHA256: 32, apikey.FormatSHA512: 64}[format]
	digest, err := hex.DecodeString(hash)
	switch {
	case key != "" && hash != "":
		e.wrong("hash", "is given together with key")
	case key != "":
		e.text("key", key)
	case hash == "":
		e.wrong("key", "is missing")
	case length == 0:
		e.wrong("format", "want %s or %s", apikey.FormatSHA256, apikey.FormatSHA512)
	case err != nil || len(digest) != length:
		e.wrong("hash", "want the %s of the key in hex: %d digits", format, 2*length)
	default:
		e.Format, e.Digest = format, digest
	}
}
