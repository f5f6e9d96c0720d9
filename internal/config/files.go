package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
)

// usersField is the setting of the file of people.
const usersField = "users.file"

// A File is one that the configuration names and warder only reads, so that it
// has to be there.
type File struct {
	Field string // such as "tls.certificates[0].cert_file"
	Path  string
	Mend  string // what to do when it is missing
}

// Files returns those that the configuration names and that somebody else makes,
// in the order of its fields. The database, the peppers, the log and what
// signs the audit and tokens are not among them: warder makes these.
func (c *Config) Files() (all []File) {
	eachText(reflect.ValueOf(c).Elem(), "", func(field, name, text string) {
		switch {
		case text == "", strings.HasPrefix(field, "audit."), field == "tokens.key_file":
		case field == usersField:
			all = append(all, File{field, text, "make it: warder users add NAME --users-file " + text})
		case field == "passwords.breached_file":
			all = append(all, File{field, text, "download the list of SHA-1 digests that is ordered by hash, or write passwords into it, one a line"})
		case strings.HasSuffix(name, "_file"):
			all = append(all, File{field, text, "put the file there, or mend its name"})
		}
	})
	return all
}

// eachText calls each for every field below v that holds text.
func eachText(v reflect.Value, path string, each func(field, name, text string)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			eachText(v.Elem(), path, each)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachText(v.Index(i), fmt.Sprintf("%s[%d]", path, i), each)
		}
	case reflect.Map:
		for _, key := range sortedMapKeys(v) {
			eachText(v.MapIndex(reflect.ValueOf(key)), join(path, key), each)
		}
	case reflect.Struct:
		for sf := range yamlFields(v.Type()) {
			name, f := sf.Tag.Get("yaml"), v.FieldByIndex(sf.Index)
			if f.Kind() == reflect.String {
				each(join(path, name), name, f.String())
			} else if !isScalar(f.Type()) {
				eachText(f, join(path, name), each)
			}
		}
	default:
	}
}

// missingFiles tells of files that are not there.
func (w *weaknesses) missingFiles() {
	for _, f := range w.config.Files() {
		if _, err := os.Stat(f.Path); errors.Is(err, fs.ErrNotExist) {
			mend := f.Mend
			if w.config.origins[f.Field].substituted || w.config.origins[f.Field].line == 0 {
				mend = "" // it may repeat a value of the environment
			}
			w.add(f.Field, "the file is not there, and warder serve will not start without it", mend)
		}
	}
}
