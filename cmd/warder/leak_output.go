package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/warder-dev/warder/leak"
	"github.com/warder-dev/warder/redact"
)

// asSARIF is the Static Analysis Results Interchange Format (OASIS), 2.1.0.
const asSARIF format = "sarif"

// A leakView is one finding. It never holds the secret.
type leakView struct {
	File        string       `json:"file"`
	Commit      string       `json:"commit,omitempty"` // that brought it in
	Object      string       `json:"object,omitempty"` // of git's
	Line        int64        `json:"line"`
	Column      int64        `json:"column"`
	Offset      *int64       `json:"offset,omitempty"` // nil where a report does not tell
	ID          string       `json:"id"`
	Prefix      string       `json:"prefix"`
	Environment string       `json:"environment"`
	Masked      string       `json:"masked"`
	State       leak.Verdict `json:"state,omitempty"`
	Done        string       `json:"done,omitempty"` // "disabled" or "revoked"
	length      int64
}

// leakOutput writes findings as they come: memory does not grow with them.
type leakOutput struct {
	w     *bufio.Writer
	form  format
	n     int
	files int
	last  string // the file of the newest finding
	err   error
}

func newLeakOutput(w io.Writer, form format) *leakOutput {
	o := &leakOutput{w: bufio.NewWriter(w), form: form}
	switch form {
	case asJSON:
		o.write("[")
	case asSARIF:
		o.write(sarifHead())
	default:
	}
	return o
}

// addAll writes the findings of one file.
func (o *leakOutput) addAll(ctx context.Context, r leak.FileResult, known *leakStore) error {
	if place := r.Object + r.Path; len(r.Findings) > 0 && (place != o.last || o.files == 0) {
		o.files, o.last = o.files+1, place
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		v := leakView{
			File: clean(filepath.ToSlash(r.Path)), Line: f.Line, Column: f.Column, Commit: r.Commit, Object: r.Object, // of git's, in hexadecimal
			ID: string(f.ID), Prefix: f.Prefix, Environment: string(f.Environment), Masked: f.Masked(),
			length: int64(len(f.Prefix)+len(f.Environment)) + keyTail + 2,
		}
		if r.Object != "" && r.Path == r.Object { // it has no other name
			v.File = r.Object
		}
		if f.Offset >= 0 {
			v.Offset = &f.Offset
		}
		if err := known.judge(ctx, f, &v); err != nil {
			return err
		}
		o.add(&v)
	}
	return o.flush()
}

func (o *leakOutput) add(v *leakView) {
	if o.n++; o.n > 1 && o.form != asTable {
		o.write(",")
	}
	switch o.form {
	case asJSON:
		o.write("\n  " + jsonLine(v))
	case asSARIF:
		o.write("\n" + sarifResult(v))
	default:
		line := fmt.Sprintf("%s%s:%d:%d  %s  id %s  prefix %s  environment %s", v.commit(), v.file(), v.Line, v.Column, v.Masked, v.ID, v.Prefix, v.Environment)
		if v.State != "" {
			line += "  " + string(v.State)
		}
		if v.Done != "" {
			line += ", now " + v.Done
		}
		o.write(line + "\n")
	}
}

// commit is what stands before a file of a repository's history, as git itself
// writes it; a file without one is an object that no commit has.
func (v *leakView) commit() string {
	const short = 12
	switch {
	case v.Commit != "":
		return v.Commit[:min(short, len(v.Commit))] + ":"
	case v.Object != "":
		return "(no commit):"
	default:
		return ""
	}
}

// file is the name for a person.
func (v *leakView) file() string {
	if v.Object != "" && v.File == v.Object {
		return v.File
	}
	return redact.Line(v.File)
}

func (o *leakOutput) close() error {
	switch o.form {
	case asJSON:
		if o.n > 0 {
			o.write("\n")
		}
		o.write("]\n")
	case asSARIF:
		o.write("]}]}\n")
	default:
	}
	return o.flush()
}

func (o *leakOutput) write(text string) {
	if o.err == nil {
		_, o.err = o.w.WriteString(text)
	}
}

func (o *leakOutput) flush() error {
	if o.err == nil {
		o.err = o.w.Flush()
	}
	return o.err
}

// jsonLine returns v, which is of texts and numbers, as JSON.
func jsonLine(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // texts and numbers cannot fail
	}
	return strings.TrimSuffix(b.String(), "\n")
}

const sarifRule = "warder-api-key"

// sarifHead is everything before the first result.
func sarifHead() string {
	type text struct {
		Text string `json:"text"`
	}
	driver := struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Rules   any    `json:"rules"`
	}{"warder", programVersion(), []any{struct {
		ID    string `json:"id"`
		Name  string `json:"name"`
		Short text   `json:"shortDescription"`
		Help  text   `json:"help"`
	}{
		sarifRule, "APIKey",
		text{"The text of an API key"},
		text{"Whoever reads the file can use the key. Roll or revoke it; taking it out of the file is not enough."},
	}}}
	return `{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{"tool":{"driver":` + jsonLine(driver) + `},"results":[`
}

// sarifResult is one result. Its place is given in bytes: what SARIF counts as a
// column depends on the encoding, which nobody knows.
func sarifResult(v *leakView) string {
	level := "error"
	if v.State != "" && !v.State.Harmful() {
		level = "note"
	}
	message := "The API key " + v.Masked
	if v.State != "" {
		message += " (" + string(v.State) + ")"
	}
	region := map[string]int64{"startLine": v.Line}
	if v.Offset != nil {
		region["byteOffset"], region["byteLength"] = *v.Offset, v.length
	}
	place := map[string]any{"artifactLocation": map[string]string{"uri": fileURI(v.File)}, "region": region}
	return jsonLine(map[string]any{
		"ruleId": sarifRule, "level": level, "message": map[string]string{"text": message},
		"locations":           []any{map[string]any{"physicalLocation": place}},
		"partialFingerprints": map[string]string{"keyId/v1": v.ID},
		"properties":          map[string]any{"keyId": v.ID, "prefix": v.Prefix, "environment": v.Environment, "column": v.Column, "commit": v.Commit},
	})
}

// fileURI returns a path as a relative reference (RFC 3986, section 4.2).
func fileURI(path string) string {
	u := url.URL{Path: path}
	return u.String()
}
