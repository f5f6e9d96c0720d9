package leak_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/leak"
)

// place is what a test compares of a finding.
type place struct {
	text                 string
	offset, line, column int64
}

func scan(tb testing.TB, s *leak.Scanner, r io.Reader) (places []place) {
	tb.Helper()
	err := s.Scan(tb.Context(), r, func(f leak.Finding) error {
		places = append(places, place{f.Text.Reveal(), f.Offset, f.Line, f.Column})
		info, err := apikey.Parse(f.Text.Reveal())
		if err != nil || info.ID != f.ID || info.Prefix != f.Prefix || info.Environment != f.Environment {
			tb.Errorf("the finding %+v is not of the key %+v (%v)", f, info, err)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return places
}

// naive tries every part of text that may be a key.
func naive(text string) (places []place) {
	const least, most = 54, 84
	for from := range text {
		for n := least; n <= most && from+n <= len(text); n++ {
			if _, err := apikey.Parse(text[from : from+n]); err == nil {
				before := text[:from]
				places = append(places, place{
					text[from : from+n], int64(from), int64(strings.Count(before, "\n")) + 1, int64(from - strings.LastIndex(before, "\n")),
				})
			}
		}
	}
	return places
}

func TestScan(t *testing.T) {
	key := made(t, "wrd", "live")
	short, long := made(t, "k", "t"), made(t, "abcdefghijklmno9", "0123456789abcdef")
	tests := []struct {
		name, text string
		want       []place
	}{
		{"nothing", "", nil},
		{"no key", "a_b_c some_snake_case_name\n", nil},
		{"alone", key, []place{{key, 0, 1, 1}}},
		{"in a line", "one\ntoken: \"" + key + "\"\n", []place{{key, 12, 2, 9}}},
		{"within other letters", "x=A" + key + "nB", []place{{key, 3, 1, 4}}},
		{"after an underscore", "KEY_" + key + "_old", []place{{key, 4, 1, 5}}},
		{"one after another", key + short, []place{{key, 0, 1, 1}, {short, int64(len(key)), 1, int64(len(key)) + 1}}},
		{"the shortest and the longest", short + "\n" + long, []place{{short, 0, 1, 1}, {long, int64(len(short)) + 1, 2, 1}}},
		{"among bytes that are no text", "\x00\xff\xfe" + key + "\x00", []place{{key, 3, 1, 4}}},
		{"escaped line ends", `\n` + key + `\n`, []place{{key, 2, 1, 3}}},
		{"a wrong check digit", spoil(key), nil},
		{"cut", key[:len(key)-1], nil},
		{"cut by a line end", key[:20] + "\n" + key[20:], nil},
		{"another case", strings.ToUpper(key), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := scan(t, scanner(t), strings.NewReader(tt.text)); !slices.Equal(got, tt.want) {
				t.Errorf("found %v, want %v", got, tt.want)
			}
			if got := scan(t, scanner(t), iotest.OneByteReader(strings.NewReader(tt.text))); !slices.Equal(got, tt.want) {
				t.Errorf("byte by byte: found %v, want %v", got, tt.want)
			}
		})
	}
}

func TestScanKnowsPrefixes(t *testing.T) {
	one, two := made(t, "one", "live"), made(t, "two", "live")
	got := scan(t, scanner(t, "two"), strings.NewReader(one+" "+two))
	if len(got) != 1 || got[0].text != two {
		t.Errorf("found %v, want the key with the prefix two", got)
	}
	for _, bad := range []string{"", "A", "a_b", "1a", strings.Repeat("a", 17)} {
		if _, err := leak.NewScanner(leak.ScannerConfig{Prefixes: []string{bad}}); err == nil {
			t.Errorf("the prefix %q is taken", bad)
		}
	}
}

// A key at every place around the border of two chunks is found, with its line.
func TestScanAcrossBorders(t *testing.T) {
	const chunk = 256 << 10
	key := made(t, "wrd", "live")
	filler := bytes.Repeat([]byte("some_text of_a_line 0123456789\n"), chunk/10)
	for _, border := range []int{chunk, chunk + 83, 2 * chunk, 2*chunk + 83, 3 * chunk} {
		for shift := -len(key) - 90; shift <= 90; shift += 13 {
			at := border + shift
			text := slices.Concat(filler[:at], []byte(key), filler[at:])
			want := place{key, int64(at), int64(bytes.Count(filler[:at], []byte("\n"))) + 1, int64(at - bytes.LastIndexByte(filler[:at], '\n'))}
			if got := scan(t, scanner(t), bytes.NewReader(text)); !slices.Equal(got, []place{want}) {
				t.Fatalf("at %d: found %v, want %v", at, got, want)
			}
		}
	}
}

// endless is n bytes without a line end, and then a key.
type endless struct {
	left int64
	key  io.Reader
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return e.key.Read(p)
	}
	n := int(min(e.left, int64(len(p))))
	for i := range n {
		p[i] = "_a_0"[i%4]
	}
	e.left -= int64(n)
	return n, nil
}

func TestScanOfALongLineHasBoundedMemory(t *testing.T) {
	const size = 16 << 20
	key, s := made(t, "wrd", "live"), scanner(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := scan(t, s, &endless{size, strings.NewReader(" " + key)})
	runtime.ReadMemStats(&after)
	if len(got) != 1 || got[0].offset != size+1 || got[0].line != 1 || got[0].column != size+2 {
		t.Errorf("found %v, want the key at the end of the line", got)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes are allocated for a line of %d, want at most 1 MiB", n, size)
	}
}

func TestScanEndsWithItsReaderAndItsCaller(t *testing.T) {
	key, s, broken := made(t, "wrd", "live"), scanner(t), errors.New("broken")
	n := 0
	err := s.Scan(t.Context(), io.MultiReader(strings.NewReader(key), iotest.ErrReader(broken)), func(leak.Finding) error { n++; return nil })
	if !errors.Is(err, broken) || n != 1 {
		t.Errorf("a reader that fails: error %v after %d keys, want its own after one", err, n)
	}
	if err := s.Scan(t.Context(), strings.NewReader(key), func(leak.Finding) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a caller that has enough: error %v, want its own", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Scan(ctx, strings.NewReader(key), func(leak.Finding) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: error %v", err)
	}
}

func TestFindingShowsNoSecret(t *testing.T) {
	key := made(t, "wrd", "live")
	err := scanner(t).Scan(t.Context(), strings.NewReader(key), func(f leak.Finding) error {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			if got := fmt.Sprintf(verb, f); strings.Contains(got, key[21:]) {
				t.Errorf("%s shows the key", verb)
			}
		}
		if got, want := f.Masked(), key[:9+12]+"..."; got != want {
			t.Errorf("Masked() = %q, want %q", got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzScan compares with the naive search; r says how keys and other bytes are
// mixed, and how much is read at a time.
func FuzzScan(f *testing.F) {
	key, other := made(f, "wrd", "live"), made(f, "a", "b")
	f.Add([]byte(key), int64(1))
	f.Add([]byte("x_y_"+key+"\n"+other), int64(2))
	f.Add([]byte("_a_b_"+key[:40]), int64(3))
	f.Add([]byte{}, int64(4))
	s := scanner(f)
	f.Fuzz(func(t *testing.T, data []byte, seed int64) {
		if len(data) > 4096 {
			data = data[:4096]
		}
		random := rand.New(rand.NewSource(seed))
		for _, one := range []string{key, other, spoil(key), key[:30]} {
			at := random.Intn(len(data) + 1)
			data = slices.Insert(data, at, []byte(one)...)
		}
		want := naive(string(data))
		got := scan(t, s, &ragged{bytes.NewReader(data), random})
		if !reflect.DeepEqual(got, want) {
			t.Errorf("found %v, want %v in %q", got, want, data)
		}
	})
}

// ragged reads a random number of bytes at a time.
type ragged struct {
	io.Reader
	random *rand.Rand
}

func (r *ragged) Read(p []byte) (int, error) {
	return r.Reader.Read(p[:min(len(p), 1+r.random.Intn(97))])
}

func BenchmarkScan(b *testing.B) {
	s := scanner(b)
	code := bytes.Repeat([]byte("\tif the_name_of.a_thing != nil { return fmt.Errorf(\"some text: %w\", err) }\n"), 1<<14)
	hostile := bytes.Repeat([]byte("a_b_"+strings.Repeat("0", 50)), 1<<14)
	for name, text := range map[string][]byte{"code": code, "hostile": hostile} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				scan(b, s, bytes.NewReader(text))
			}
		})
	}
}
