package adminui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"
)

//go:embed static/*
var embedded embed.FS

// A look is the files that pages load.
type look struct {
	files map[string][]byte
	sums  map[string]string
}

func newLook() (*look, error) {
	l := &look{files: make(map[string][]byte), sums: make(map[string]string)}
	return l, l.load()
}

// load reads the files, and sums them up for their addresses.
func (l *look) load() error {
	entries, err := fs.ReadDir(embedded, "static")
	if err != nil {
		return fmt.Errorf("adminui: %w", err)
	}
	for _, e := range entries {
		text, err := fs.ReadFile(embedded, "static/"+e.Name())
		if err != nil {
			return fmt.Errorf("adminui: %w", err)
		}
		sum := sha256.Sum256(text)
		l.files[e.Name()], l.sums[e.Name()] = text, hex.EncodeToString(sum[:6])
	}
	return nil
}

// address is that of a file; another text has another one.
func (l *look) address(name string) address {
	return to("file", name).with(url.Values{"v": {l.sums[name]}})
}

// file serves a file, which a browser may keep as long as its address stays.
func (s *Site) file(name, kind string) {
	text, sum := s.look.files[name], s.look.sums[name]
	s.handle("GET "+Base+"file/"+name, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-cache")
		if r.URL.RawQuery == "v="+sum {
			h.Set("Cache-Control", "max-age=31536000, immutable")
		}
		_, _ = w.Write(text) // the browser may be gone
	})
}

// when says roughly how long ago it was, or how long it is until then.
func when(t time.Time) string {
	const day = 24 * time.Hour
	d, before, after := time.Since(t), "", " ago"
	if d < 0 {
		d, before, after = -d, "in ", ""
	}
	count := func(n time.Duration, unit string) string {
		if n != 1 {
			unit += "s"
		}
		return fmt.Sprintf("%s%d %s%s", before, n, unit, after)
	}
	switch {
	case d < time.Minute && before == "":
		return "just now"
	case d < time.Hour:
		return count(max(rounded(d, time.Minute), 1), "minute")
	case d < 2*day:
		return count(rounded(d, time.Hour), "hour")
	case d < 90*day:
		return count(rounded(d, day), "day")
	default:
		return count(rounded(d, 30*day), "month")
	}
}

// rounded is how many units d has.
func rounded(d, unit time.Duration) time.Duration { return (d + unit/2) / unit }

// short is the first of a list, and how many there are beside them.
func short(all []string) string {
	const most = 3
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
}
