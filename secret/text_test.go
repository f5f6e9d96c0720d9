package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	texttemplate "text/template"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/secret"
)

const canary = "hunter2canary"

// holder keeps a secret where fmt calls no method: in an unexported field.
type holder struct {
	Name string
	text secret.Text
	ptr  *secret.Text
	any  any
}

// exported is what encoders reach.
type exported struct{ Text secret.Text }

func TestTextIsNeverShown(t *testing.T) {
	attack.Case(t, "LOG-03", attack.Library, func(t *testing.T) {
		text := secret.New(canary)
		values := []any{text, &text, holder{"n", text, &text, text}, &holder{"n", text, &text, text}, []secret.Text{text}, map[string]secret.Text{"k": text}}
		for _, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%p", "%08.3f", "%c", "%U", "%o"} {
				unseen(t, fmt.Sprintf("%s of %T", verb, v), fmt.Sprintf(verb, v))
			}
			unseen(t, "error", fmt.Errorf("wrapped: %w", errors.Join(fmt.Errorf("%v", v))).Error())
			unseen(t, "panic", recovered(v))
			for _, h := range []func(*bytes.Buffer) slog.Handler{
				func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
				func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			} {
				var b bytes.Buffer
				slog.New(h(&b)).Info("m", slog.Any("v", v))
				unseen(t, "slog", b.String())
			}
		}
		public := exported{text}
		j, err := json.Marshal(public)
		check(t, "json", string(j), err)
		x, err := xml.Marshal(public)
		check(t, "xml", string(x), err)
		var b bytes.Buffer
		err = gob.NewEncoder(&b).Encode(public) // gob knows no TextMarshaler: it refuses, which hides as well
		unseen(t, "gob", b.String()+fmt.Sprint(err))
		b.Reset()
		err = template.Must(template.New("").Parse(`<a title="{{.Text}}">{{.}}{{printf "%d" .Text}}</a>`)).Execute(&b, public)
		check(t, "html/template", b.String(), err)
		b.Reset()
		err = texttemplate.Must(texttemplate.New("").Parse(`{{.Text}} {{.}}`)).Execute(&b, public)
		check(t, "text/template", b.String(), err)
		unseen(t, "reflection", reflected(reflect.ValueOf(holder{"n", text, &text, text}), 0))
	})
}

func TestTextEqual(t *testing.T) {
	tests := []struct {
		name string
		a, b secret.Text
		want bool
	}{
		{"same text", secret.New("a"), secret.New("a"), true},
		{"other text", secret.New("a"), secret.New("b"), false},
		{"prefix", secret.New("a"), secret.New("ab"), false},
		{"the zero value is the empty secret", secret.Text{}, secret.New(""), true},
		{"zero against a value", secret.Text{}, secret.New("a"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.Equal(tt.b); got != tt.want {
				t.Errorf("Equal = %v, want %v", got, tt.want)
			}
		})
	}
	if got := secret.New(canary).Reveal(); got != canary {
		t.Errorf("Reveal did not return the value")
	}
	if !(secret.Text{}).IsZero() || secret.New("a").IsZero() {
		t.Error("IsZero is wrong")
	}
}

// reflected walks v as deep as reflection reaches and collects every string.
func reflected(v reflect.Value, depth int) string {
	if depth > 8 || !v.IsValid() {
		return ""
	}
	var b strings.Builder
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			b.WriteString(reflected(field, depth+1))
		}
	case reflect.Pointer, reflect.Interface:
		b.WriteString(reflected(v.Elem(), depth+1))
	default:
		fmt.Fprintf(&b, "%v %s ", v, v.String())
	}
	return b.String()
}

func recovered(v any) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	panic(v)
}

func check(t *testing.T, where, text string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", where, err)
	}
	unseen(t, where, text)
}

func unseen(t *testing.T, where, text string) {
	t.Helper()
	if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
		t.Errorf("%s shows the secret: %s", where, text)
	}
}
