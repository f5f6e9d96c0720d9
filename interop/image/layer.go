package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	user   = 65532 // and group: who runs the program, as in other images without a shell
	data   = "/var/lib/warder"
	binary = "/usr/local/bin/warder"
	roots  = "/etc/ssl/certs/ca-certificates.crt" // where Go looks
	config = "/etc/warder/warder.yaml"
)

// An entry is a file of the image, or a folder, whose name ends with a slash.
type entry struct {
	name  string
	mode  int64
	owner int
	text  []byte
}

// base is everything but the program: nothing that runs, and nobody's shell.
func base(settings []byte) []entry {
	passwd := "root:x:0:0:root:/:/sbin/nologin\nwarder:x:65532:65532:warder:" + data + ":/sbin/nologin\n"
	return []entry{
		{name: "etc/", mode: 0o755},
		{name: "etc/group", mode: 0o644, text: []byte("root:x:0:\nwarder:x:65532:\n")},
		{name: "etc/passwd", mode: 0o644, text: []byte(passwd)},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: roots[1:], mode: 0o644, text: authorities()},
		{name: "etc/warder/", mode: 0o755},
		{name: config[1:], mode: 0o644, text: settings},
		{name: "tmp/", mode: 0o1777},
		{name: "usr/", mode: 0o755},
		{name: "usr/local/", mode: 0o755},
		{name: "usr/local/bin/", mode: 0o755},
		{name: "var/", mode: 0o755},
		{name: "var/lib/", mode: 0o755},
		{name: data[1:] + "/", mode: 0o700, owner: user},
	}
}

// authorities are those of Mozilla in PEM. One that is to be believed only in part is
// left out: a file of PEM cannot say so.
func authorities() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes everything
		}
	}
	return b.Bytes()
}

// programLayer is the program alone, so that the rest is fetched once for all versions.
func programLayer(p program, level int) (v1.Layer, error) {
	text, err := os.ReadFile(p.file)
	if err != nil {
		return nil, err
	}
	return layer([]entry{{name: binary[1:], mode: 0o755, text: text}}, level)
}

// layer packs entries, as much as level of compress/gzip says. Neither the clock nor the
// file system has a say in its bytes.
func layer(entries []entry, level int) (v1.Layer, error) {
	var packed bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&packed, level)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(compressed)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: e.mode, Uid: e.owner, Gid: e.owner, Size: int64(len(e.text)), ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if e.name[len(e.name)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := archive.Write(e.text); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}
