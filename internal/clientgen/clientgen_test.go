package clientgen_test

import (
	"os"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/clientgen"
	"github.com/warder-dev/warder/internal/golden"
)

func TestTheClientIsThatOfTheDocument(t *testing.T) {
	document, err := os.ReadFile("../../docs/reference/admin-api.openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	source, err := clientgen.Generate(document)
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "../../client/generated.go", source)
}

func TestGenerateRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":            `{`,
		"a schema of text":   `{"components":{"schemas":{"A":{"type":"string"}}}}`,
		"a type unknown":     `{"components":{"schemas":{"A":{"type":"object","properties":{"a":{"type":"null"}}}}}}`,
		"nothing to answer":  `{"paths":{"/a":{"get":{"operationId":"a","responses":{}}}}}`,
		"a name that is bad": `{"components":{"schemas":{"A B":{"type":"object"}}}}`,
	} {
		if _, err := clientgen.Generate([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), "clientgen: ") {
			t.Errorf("%s: %v, want an error of clientgen", name, err)
		}
	}
}
