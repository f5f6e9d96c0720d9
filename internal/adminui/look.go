package adminui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed templates/*.html static/*
var embedded embed.FS

// A look is the templates, and the files that pages load.
type look struct {
	pages map[string]*template.Template
	files map[string][]byte
	sums  map[string]string
}

func newLook() (*look, error) {
	l := &look{pages: make(map[string]*template.Template), files: make(map[string][]byte), sums: make(map[string]string)}
	base, err := template.New("layout.html").Funcs(functions()).ParseFS(embedded, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("adminui: %w", err)
	}
	names, err := fs.Glob(embedded, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("adminui: %w", err)
	}
	for _, name := range names {
		short := strings.TrimSuffix(path.Base(name), ".html")
		if short == "layout" || short == "parts" {
			continue
		}
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(embedded, name)
		}
		if err != nil {
			return nil, fmt.Errorf("adminui: %w", err)
		}
		l.pages[short] = t
	}
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

func (l *look) page(name string) *template.Template { return l.pages[name] }

// File is the address of a file; another text has another one.
func (l *look) File(name string) string { return Base + "file/" + name + "?v=" + l.sums[name] }

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

// functions are those of the templates.
func functions() template.FuncMap {
	return template.FuncMap{
		"when":  when,
		"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"time":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
		"day":   func(t time.Time) string { return t.UTC().Format("2006-01-02") },
		"list":  func(all []string) string { return strings.Join(all, ", ") },
		"short": short,
		"span":  span,
		"dict":  dict,
	}
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

// dict makes what a part of a template is given, of names and values.
func dict(pairs ...any) (map[string]any, error) {
	m := make(map[string]any)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("adminui: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}
