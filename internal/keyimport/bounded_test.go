package keyimport_test

import (
	"io"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/keyimport"
)

// An endless reader repeats a text, and counts what is read of it.
type endless struct {
	unit string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.unit[(e.read+i)%len(e.unit)]
	}
	e.read += len(p)
	if e.read > 64<<20 {
		return 0, io.ErrUnexpectedEOF // all of it would be read
	}
	return len(p), nil
}

// A line without an end, or a quote without one, takes no more memory than any line.
func TestALineIsBounded(t *testing.T) {
	for what, begin := range map[string]string{"the first line": "", "what follows line 2": "key,owner\nfirst-key-of-acme,acme\n", "what follows line 1": "key,owner\n\""} {
		for _, format := range []keyimport.Format{keyimport.CSV, keyimport.AWS} {
			begin := begin
			if format == keyimport.AWS {
				begin = strings.ReplaceAll(begin, "owner", "name")
			}
			source, failed := &endless{unit: "a"}, false
			for _, err := range keyimport.Read(format, io.MultiReader(strings.NewReader(begin), source)) {
				failed = failed || err != nil && strings.Contains(err.Error(), what+" is longer than 1048576 bytes")
			}
			if !failed || source.read > 4<<20 {
				t.Errorf("%s of %s: %d bytes were read, and it failed: %v", what, format, source.read, failed)
			}
		}
	}
}

// What is long is each line, not the file.
func TestAFileIsNotBounded(t *testing.T) {
	const n = 40_000
	row := strings.Repeat("o", 100) + "\n"
	var text strings.Builder
	text.WriteString("key,owner\n")
	for range n {
		text.WriteString("a-key-of-somebody-that-is-long," + row)
	}
	got := 0
	for _, err := range keyimport.Read(keyimport.CSV, strings.NewReader(text.String())) {
		if err != nil {
			t.Fatal(err)
		}
		got++
	}
	if got != n || text.Len() < 4<<20 {
		t.Errorf("%d entries of %d bytes, want %d", got, text.Len(), n)
	}
}

// A text, a number, a value or a blank without an end takes no more memory than any
// entry, wherever it stands in JSON.
func TestAValueIsBounded(t *testing.T) {
	for what, tt := range map[string]struct {
		format      keyimport.Format
		begin, unit string
		want        string
	}{
		"a key":           {keyimport.Unkey, `{"keys":[{"plaintext":"`, "a", "what begins at byte 22 is longer than 1048576 bytes"},
		"a quote":         {keyimport.Unkey, `[{"plaintext":"x","name":"\"`, `\"`, "what begins at byte 25 is longer than 1048576 bytes"},
		"a name of one":   {keyimport.Tyk, `{"keys":[{"`, "a", "what begins at byte 10 is longer than 1048576 bytes"},
		"a passed member": {keyimport.Kong, `{"services":[{"name":"`, "a", "what begins at byte 21 is longer than 1048576 bytes"},
		"a number":        {keyimport.APISIX, `{"list":[{"createdIndex":1`, "1", "what begins at byte 25 is longer than 1048576 bytes"},
		"an entry":        {keyimport.Kong, `{"consumers":[{"keyauth_credentials":[`, `{"key":"a-key-of-somebody"},`, "is longer than 8388608 bytes: no entry is"},
		"a line of Tyk":   {keyimport.Tyk, `{"key":"x","data":{"tags":[`, `"a",`, "is longer than 8388608 bytes: no entry is"},
		"a blank":         {keyimport.Unkey, `[`, " ", "is longer than 8388608 bytes: no entry is"},
	} {
		source, failed := &endless{unit: tt.unit}, false
		for _, err := range keyimport.Read(tt.format, io.MultiReader(strings.NewReader(tt.begin), source)) {
			failed = failed || err != nil && strings.Contains(err.Error(), tt.want)
			if !failed {
				t.Errorf("%s: %v", what, err)
			}
		}
		if !failed || source.read > 16<<20 {
			t.Errorf("%s: %d bytes were read, and it failed with %q: %v", what, source.read, tt.want, failed)
		}
	}
}

// What is long is each entry, not the file, nor a member that is passed over.
func TestAFileOfJSONIsNotBounded(t *testing.T) {
	const n = 20_000
	var text strings.Builder
	text.WriteString(`{"services":[`)
	for range n {
		text.WriteString(`{"name":"` + strings.Repeat("s", 500) + `\"\\"},`)
	}
	text.WriteString(`{}],"consumers":[`)
	for i := range n {
		text.WriteString(strings.Repeat(",", min(i, 1)) + `{"username":"` + strings.Repeat("o", 500) + `","keyauth_credentials":[{"key":"a-key-of-somebody-that-is-long"}]}`)
	}
	text.WriteString(`]}`)
	got := 0
	for _, err := range keyimport.Read(keyimport.Kong, strings.NewReader(text.String())) {
		if err != nil {
			t.Fatal(err)
		}
		got++
	}
	if got != n || text.Len() < 16<<20 {
		t.Errorf("%d entries of %d bytes, want %d", got, text.Len(), n)
	}
}
