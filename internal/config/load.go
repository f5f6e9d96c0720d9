package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
)

// maxFile is the largest configuration file, maxSecret the largest file of a
// secret, in bytes.
const (
	maxFile   = 1 << 20
	maxSecret = 64 << 10
)

// envPrefix begins the name of each variable that sets a field.
const envPrefix = "WARDER_"

// Source is what a configuration is made from.
type Source struct {
	File    string            // path of the YAML file, at most 1 MiB; empty: none
	Environ []string          // "NAME=value" as os.Environ returns it; WARDER_* set fields, all serve ${NAME}
	Flags   map[string]string // by flag name, with or without leading dashes, see [Settings]

	// Expression returns what is wrong with an expression in CEL, whose value is a text
	// or else a bool. nil: whoever uses them finds it out.
	Expression func(expression string, text bool) error

	// StoreOnly is for commands that work on the key store: they need nothing to
	// protect. What is given is checked all the same.
	StoreOnly bool
}

// Load returns the checked configuration, or *[Errors] with everything that is
// wrong. It reads src.File and the files that secret fields name.
func Load(src Source) (*Config, error) {
	l := &loader{
		file:    src.File,
		env:     environment(src.Environ),
		used:    map[string]bool{},
		origins: map[string]origin{},
		config:  &Config{},
		bad:     map[string]bool{},
		idle:    src.StoreOnly,
		compile: src.Expression,
	}
	applyDefaults(reflect.ValueOf(l.config).Elem())
	l.loadFile()
	l.loadEnviron()
	l.loadFlags(src.Flags)
	l.check()
	if err := bundle(l.errs); err != nil {
		return nil, err
	}
	l.complete()
	l.config.origins = l.origins
	return l.config, nil
}

// A loader is one Load in progress.
type loader struct {
	file    string
	env     map[string]string
	used    map[string]bool // variables that the file refers to
	origins map[string]origin
	config  *Config
	errs    []*Error
	bad     map[string]bool // fields in errs
	unread  bool            // the file could not be read or parsed
	idle    bool            // nothing to protect is no error

	compile func(expression string, text bool) error // of expressions; may be nil

	headersValid bool // the top level's, which routes inherit
}

// An origin tells where a value came from.
type origin struct {
	place        string // file, variable or "--flag"
	line, column int    // 0 unless from the file
	raw          string // the text as the file has it; empty unless from the file
	substituted  bool   // raw refers to variables or a secret's file: it is not the value
}

// String is the comment that Print puts behind the value.
func (o origin) String() string {
	switch {
	case o.place == "":
		return "default"
	case o.line > 0:
		return fmt.Sprintf("%s:%d", o.place, o.line)
	default:
		return o.place
	}
}

// fail adds an error about field at o; without a place at the file as a whole.
func (l *loader) fail(o origin, field, problem, hint string) {
	if o.place == "" {
		o.place = l.place()
	}
	l.bad[field] = true
	l.errs = append(l.errs, &Error{File: o.place, Line: o.line, Column: o.column, Field: field, Problem: problem, Hint: hint})
}

// reject adds an error about field wherever its value came from.
func (l *loader) reject(field, problem, hint string) { l.fail(l.origins[field], field, problem, hint) }

// failed reports whether field has an error already.
func (l *loader) failed(field string) bool { return l.bad[field] }

// place names the configuration as a whole.
func (l *loader) place() string {
	return cmp.Or(l.file, "configuration")
}

// show quotes the value of field for an error if it was written in the file as
// it is, and does not look like a secret in the wrong place. Values from anywhere
// else may be secrets.
func (l *loader) show(field string) string {
	if l.shows(field) {
		return fmt.Sprintf("%q", l.origins[field].raw)
	}
	return "this value"
}

// shows reports whether show quotes the value of field.
func (l *loader) shows(field string) bool {
	o := l.origins[field]
	return o.raw != "" && !o.substituted && len(o.raw) <= 128 && !likeSecret(o.raw)
}

// likeSecret reports whether text looks like a URL, which may hold a password,
// or has 16 letters and digits mixed in a row, as a key or token has.
func likeSecret(text string) bool {
	if strings.Contains(text, "://") || strings.Contains(text, "@") {
		return true
	}
	letters, digits := 0, 0
	for i := range len(text) {
		switch b := text[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z':
			letters++
		case '0' <= b && b <= '9':
			digits++
		case b == '_', b == '+', b == '=':
		default:
			letters, digits = 0, 0
		}
		if letters > 0 && digits > 0 && letters+digits >= 16 {
			return true
		}
	}
	return false
}

func environment(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			env[name] = value
		}
	}
	return env
}

var errNoFile = errors.New("not a file, but a folder, pipe or device")

// readBounded returns the content of the file at path, up to limit bytes. Its
// error does not name path.
func readBounded(path string, limit int) (content []byte, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the operator names the file; a pipe must not be waited for
	if err != nil {
		return nil, withoutPath(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errNoFile
	}
	content, err = io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(content) > limit {
		return nil, fmt.Errorf("longer than %s", Size(limit))
	}
	return content, nil
}

// withoutPath takes the path, which may hold a variable's value, off err.
func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// loadEnviron applies WARDER_* variables. One that is only like the name of a
// setting is an error; others belong to somebody else (Kubernetes sets
// WARDER_SERVICE_HOST by itself).
func (l *loader) loadEnviron() {
	byName, names := map[string]Setting{}, []string{}
	for _, s := range settings(nil) {
		byName[s.Env] = s
		names = append(names, s.Env)
	}
	for _, name := range sortedKeys(l.env) {
		if !strings.HasPrefix(name, envPrefix) || l.used[name] && byName[name].Env == "" || flagOfCommand(name) {
			continue
		}
		o := origin{place: name}
		s, ok := byName[name]
		if !ok {
			if hint := didYouMeanVariable(name, names); hint != "" {
				l.fail(o, "", "no setting has this variable", hint)
			}
			continue
		}
		l.setText(s.Field, l.env[name], o)
	}
}

// flagOfCommand reports whether name sets a flag of some command that is no
// setting: they may be near the name of one.
func flagOfCommand(name string) bool {
	switch strings.TrimPrefix(name, envPrefix) {
	case "CONFIG", "NAME", "OWNER", "SCOPES", "ENV", "EXPIRES_IN", "OUTPUT", "REASON", "WAIT", "CHECK", "SERVER",
		"CREDITS", "REFILL", "EVERY", "AMOUNT", "CAP", "FROM", "SHADOW_CONFIG":
		return true
	}
	return false
}

// didYouMeanVariable compares without the prefix, which all names share.
func didYouMeanVariable(name string, known []string) string {
	short := make([]string, len(known))
	for i, k := range known {
		short[i] = strings.TrimPrefix(k, envPrefix)
	}
	hint := didYouMean(strings.TrimPrefix(name, envPrefix), short)
	return strings.Replace(hint, `"`, `"`+envPrefix, 1)
}

// loadFlags applies flags.
func (l *loader) loadFlags(flags map[string]string) {
	byName, names := map[string]Setting{}, []string{}
	for _, s := range settings(nil) {
		byName[s.Flag] = s
		names = append(names, s.Flag)
	}
	for _, given := range sortedKeys(flags) {
		name := strings.TrimLeft(given, "-")
		o := origin{place: "--" + name}
		s, ok := byName[name]
		if !ok {
			l.fail(o, "", "no setting has this flag", didYouMean(name, names))
			continue
		}
		if s.Secret && !strings.HasPrefix(flags[given], "file:") {
			l.fail(o, s.Field, "a flag is no place for a secret: other users see it in the list of processes", "use "+s.Env+" or file:/path")
			continue
		}
		l.setText(s.Field, flags[given], o)
	}
}

// setText sets a scalar field that the environment or a flag gives.
func (l *loader) setText(field, text string, o origin) {
	v, sf := fieldAt(reflect.ValueOf(l.config).Elem(), field)
	// It replaces what the file said: errors of that no longer matter.
	l.errs = slices.DeleteFunc(l.errs, func(e *Error) bool { return e.Field == field })
	delete(l.bad, field)
	l.origins[field] = o
	l.setScalar(field, v, sf.Tag, text, o)
}
