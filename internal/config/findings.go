package config

import (
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
)

// A Finding is something in a valid configuration that weakens what warder does,
// or that does nothing although somebody wrote it down.
type Finding struct {
	Field string // such as "forwarded.insecure_trust_all"; empty for the whole
	Place string // such as "warder.yaml:3:5", "WARDER_LISTEN", "default"
	Costs string // what it costs, in one sentence without its end
	Mend  string // what to do; may be empty
}

// String returns "place: field: costs; mend".
func (f Finding) String() string {
	text := f.Place + ": "
	if f.Field != "" {
		text += f.Field + ": "
	}
	text += f.Costs
	if f.Mend != "" {
		text += "; " + f.Mend
	}
	return text
}

// Findings returns what weakens the configuration, in the order of its fields, and
// then what never comes into force in it. It looks whether files are there and at
// the permissions of those of keys, and reads none of them.
func (c *Config) Findings() []Finding {
	w := weaknesses{config: c, comments: sync.OnceValue(fieldComments)}
	w.walk(reflect.ValueOf(c).Elem(), "")
	w.clearText()
	w.documents()
	w.database()
	w.unused()
	w.wildcards()
	w.missingFiles()
	w.dnsCommand()
	for i, pair := range c.TLS.Certificates {
		w.keyFile(fmt.Sprintf("tls.certificates[%d].key_file", i), pair.KeyFile)
	}
	for _, name := range sortedKeys(c.Upstreams) {
		w.keyFile("upstreams."+name+".key_file", c.Upstreams[name].KeyFile)
	}
	return w.found
}

type weaknesses struct {
	config   *Config
	comments func() map[string]string // parsed when one is wanted: most configurations have no such setting
	found    []Finding
}

func (w *weaknesses) add(field, costs, mend string) {
	w.found = append(w.found, Finding{Field: field, Place: w.config.origins[field].String(), Costs: costs, Mend: mend})
}

// walk looks for settings that are called insecure, and for what only watches.
func (w *weaknesses) walk(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			w.walk(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			w.walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Map:
		for _, key := range sortedMapKeys(v) {
			w.walk(v.MapIndex(reflect.ValueOf(key)), join(path, key))
		}
	case reflect.Struct:
		for sf := range yamlFields(v.Type()) {
			field, f := join(path, sf.Tag.Get("yaml")), v.FieldByIndex(sf.Index)
			if f.Kind() == reflect.Bool && f.Bool() {
				w.flag(field, sf.Tag.Get("yaml"), v.Type().Name()+"."+sf.Name)
				continue
			}
			if f.Kind() == reflect.String && strings.HasPrefix(f.String(), "insecure_") && sf.Tag.Get("enum") != "" {
				w.add(field, "is "+f.String()+": what cannot be judged passes", "")
			}
			if !isScalar(f.Type()) {
				w.walk(f, field)
			}
		}
	default:
	}
}

// flag judges a setting that is on, which is goName in Go.
func (w *weaknesses) flag(field, name, goName string) {
	switch {
	case strings.HasPrefix(name, "insecure_"):
		costs := "is set"
		if _, behind, ok := strings.Cut(w.comments()[goName], "It costs: "); ok {
			costs, _, _ = strings.Cut(behind, ". ")
		}
		w.add(field, costs, "")
	case name == "shadow", name == "hosts_shadow":
		w.add(field, "it only watches: nothing is refused by it", "take it away when what it would refuse is right")
	case name == "explain":
		w.add(field, "header fields of requests come into the log", "take it away when the mistake is found")
	}
}

// clearText tells of listeners whose traffic others on the way can read.
func (w *weaknesses) clearText() {
	w.clearTextAt("listen", w.config)
	for _, name := range sortedKeys(w.config.Listeners) {
		w.clearTextAt(ListenerField(name), w.config.At(name))
	}
}

// keyFile tells of a key that everybody on the machine may read or write.
func (w *weaknesses) keyFile(field, name string) {
	const others = fs.FileMode(0o006)
	if name == "" || runtime.GOOS == "windows" {
		return
	}
	if info, err := os.Stat(name); err == nil && info.Mode().Perm()&others != 0 {
		w.add(field, "everybody on this machine may read or write the key", "take that right away: chmod o-rw")
	}
}
