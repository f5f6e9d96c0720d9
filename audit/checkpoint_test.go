package audit_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/audit"
)

func TestCheckpointText(t *testing.T) {
	signer, err := audit.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 28, 20, 0, 0, 123456789, time.FixedZone("", 3600))
	c := signer.Sign(audit.Head{Seq: 7, Hash: audit.Hash{1, 2}}, at, "node <1> \u2028")
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	all, err := audit.ReadCheckpoints(strings.NewReader("\n" + string(text) + "\n\n" + string(text)))
	if err != nil || len(all) != 2 {
		t.Fatalf("ReadCheckpoints = %d, %v", len(all), err)
	}
	if err := (audit.Keyring{signer.PublicKey()}).CheckAll(all); err != nil || all[0].Node != c.Node || all[0].Seq != 7 {
		t.Errorf("read %+v, %v, want %+v", all[0], err, c)
	}
	key, err := audit.ParsePublicKey(base64.StdEncoding.EncodeToString(c.Key) + "\n")
	if err != nil || !key.Equal(signer.PublicKey()) {
		t.Errorf("ParsePublicKey = %x, %v", key, err)
	}
	for name, bad := range map[string]string{
		"no JSON":        "hello",
		"no object":      "[1]",
		"no number":      strings.Replace(string(text), `"seq":7`, `"seq":0`, 1),
		"a short hash":   strings.Replace(string(text), `"hash":"01`, `"hash":"`, 1),
		"another time":   strings.Replace(string(text), `Z"`, `+01:00"`, 1),
		"no signature":   strings.Replace(string(text), `"signature":"`, `"signature":"AAAA","x":"`, 1),
		"very long":      strings.Repeat(" ", 10000) + string(text),
		"what is binary": "\xff",
	} {
		_, err := audit.ReadCheckpoints(strings.NewReader(string(text) + "\n" + bad))
		if err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: error = %v, want one that names line 2", name, err)
		}
	}
	for _, bad := range []string{"", "AAAA", "not base64", base64.RawStdEncoding.EncodeToString(c.Key)} {
		if _, err := audit.ParsePublicKey(bad); err == nil {
			t.Errorf("%q is taken for a public key", bad)
		}
	}
}

func TestSigningKey(t *testing.T) {
	text, err := audit.NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.ParseSigner(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		if got := fmt.Sprintf(verb, signer); got != "[signer]" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
	for name, bad := range map[string][]byte{
		"nothing":      nil,
		"half":         text[:len(text)/2],
		"two keys":     append(bytes.Clone(text), text...),
		"another type": bytes.ReplaceAll(text, []byte("PRIVATE KEY"), []byte("PUBLIC KEY")),
		"no DER":       []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
	} {
		if _, err := audit.ParseSigner(bad); err == nil {
			t.Errorf("%s is taken for a signing key", name)
		} else if body := bytes.Split(text, []byte("\n"))[1]; bytes.Contains([]byte(err.Error()), body[:20]) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
}

// FuzzCheckpoints: what is read is written as what is read again.
func FuzzCheckpoints(f *testing.F) {
	signer, err := audit.NewSigner()
	if err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(signer.Sign(audit.Head{Seq: 7}, time.Unix(1, 0), "n"))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "{}", "\n\n", string(text), string(text) + "\nx", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := audit.ReadCheckpoints(strings.NewReader(text))
		if err != nil {
			return
		}
		var again bytes.Buffer
		encoder := json.NewEncoder(&again)
		for _, c := range all {
			if err := encoder.Encode(c); err != nil {
				t.Fatal(err)
			}
		}
		second, err := audit.ReadCheckpoints(&again)
		if err != nil || len(second) != len(all) {
			t.Fatalf("%d checkpoints of %q became %d, %v", len(all), text, len(second), err)
		}
		for i := range all {
			if all[i].Seq != second[i].Seq || all[i].Hash != second[i].Hash || !all[i].At.Equal(second[i].At) || all[i].Node != second[i].Node {
				t.Errorf("%+v became %+v", all[i], second[i])
			}
		}
	})
}
