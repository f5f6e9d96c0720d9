package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	_ "embed" // try.sh
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
	"github.com/warder-dev/warder/tlsconfig"
)

// A demo is what a real service is given by others: a certificate by its
// authority, tokens by its identity provider, users by its database, and secrets
// by a secret store. Here they last as long as the program.
type demo struct {
	settings settings
	folder   string
	plain    string // base URL
	provider *jwt.Signer
	word     secret.Text // ada's password
}

// newDemo makes everything for a service on two addresses.
func newDemo(ctx context.Context, secure, plain net.Addr) (d *demo, err error) {
	d = &demo{word: secret.New(rand.Text())}
	if d.folder, err = os.MkdirTemp("", "eleven-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	d.settings.origin, d.settings.port = "https://localhost:"+port(secure), secure.(*net.TCPAddr).Port //nolint:errcheck // run listens on TCP
	d.plain = "http://localhost:" + port(plain)
	d.settings.names = []string{"localhost"}
	d.settings.app = "https://app.example.com"
	d.settings.forms = secret.New(rand.Text() + rand.Text())
	if d.settings.peppers, err = apikey.NewPepper(rand.Reader); err != nil {
		return nil, err
	}
	return d, errors.Join(d.makeCertificate(), d.makeProvider(), d.makePeople(), d.makeDatabase(ctx))
}

func port(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// close removes everything.
func (d *demo) close() error {
	var err error
	if d.settings.database != nil {
		err = d.settings.database.Close()
	}
	return errors.Join(err, os.RemoveAll(d.folder))
}

func (d *demo) file(name string) string { return filepath.Join(d.folder, name) }

// makeCertificate signs a certificate with its own key, which nobody trusts who is
// not told to.
func (d *demo) makeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "eleven"}, DNSNames: d.settings.names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	files := tlsconfig.Files{Certificate: d.file("cert.pem"), Key: d.file("key.pem")}
	d.settings.certificate = files
	return errors.Join(
		os.WriteFile(files.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600),
		os.WriteFile(files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}

// makeProvider signs tokens as an identity provider does. For a real one, say
// Discovery in place of KeySet: its keys are then fetched and followed.
func (d *demo) makeProvider() (err error) {
	const issuer = "https://login.example.com"
	if d.provider, err = jwt.NewSigner(jwt.SignerConfig{Issuer: issuer, Lifetime: 15 * time.Minute}); err != nil {
		return err
	}
	d.settings.tokens = jwt.Issuer{Issuer: issuer, Audience: []string{d.settings.origin}, KeySet: d.provider.KeySet()}
	return nil
}

// makePeople writes the file of those who may log in.
func (d *demo) makePeople() error {
	hash, err := password.Hash(d.word, password.Params{})
	if err != nil {
		return err
	}
	d.settings.people = d.file("people")
	return os.WriteFile(d.settings.people, []byte("ada:"+hash+":orders:write\n"), 0o600)
}

// makeDatabase fills a table to search.
func (d *demo) makeDatabase(ctx context.Context) (err error) {
	if d.settings.database, err = sql.Open("sqlite", d.file("users.db")); err != nil {
		return err
	}
	_, err1 := d.settings.database.ExecContext(ctx, "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, password TEXT NOT NULL)")
	_, err2 := d.settings.database.ExecContext(ctx, "INSERT INTO users (name, password) VALUES (?, ?), (?, ?), (?, ?)",
		"Ada Lovelace", "not for you", "Grace Hopper", "not for you", "Miles O'Brien", "not for you")
	return errors.Join(err1, err2)
}

// try is what the program prints: lines for a shell.
//
//go:embed try.sh
var try string

// print makes a key and a token, and prints how to try each answer.
func (d *demo) print(ctx context.Context, out io.Writer, issuer *apikey.Issuer) error {
	spec := apikey.Spec{Environment: "test", Name: "demo", Owner: "acme", Scopes: []string{"export:read", "reports:read", "users:read"}}
	_, key, err1 := issuer.Create(ctx, apikey.By{Actor: "system", Source: "demo"}, spec)
	token, err2 := d.provider.Sign(jwt.Claims{Subject: "robot", Audience: d.settings.origin, Scopes: []string{"reports:read"}})
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "cd '%s'\nexport CURL_CA_BUNDLE=cert.pem\nURL=%s\nPLAIN=%s\nKEY=%s\nTOKEN=%s\nPASSWORD=%s\n\n%s",
		d.folder, d.settings.origin, d.plain, key.Reveal(), token, d.word.Reveal(), try)
	return err
}
