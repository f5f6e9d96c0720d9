package main

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// write writes the images of all programs as one archive, whole or not at all; level is
// how much they are compressed.
func write(name string, programs []program, settings []byte, level int) error {
	folder, err := os.MkdirTemp("", "warder-layout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	shared, err := layer(base(settings), level)
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range programs {
		one, err := image(p, shared, level)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: one, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: p.arch}}})
	}
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	tag := map[string]string{"org.opencontainers.image.ref.name": "warder:latest"}
	if err := path.AppendIndex(index, layout.WithAnnotations(tag)); err != nil {
		return err
	}
	return pack(name, folder)
}

// image is one program with what it needs: nothing else, and nobody's shell.
func image(p program, shared v1.Layer, level int) (v1.Image, error) {
	own, err := programLayer(p, level)
	if err != nil {
		return nil, err
	}
	made := v1.Time{Time: p.committed}
	described := &v1.ConfigFile{
		OS: "linux", Architecture: p.arch, Created: made,
		RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User: "65532:65532", WorkingDir: data,
			Entrypoint: []string{binary}, Cmd: []string{"serve"},
			Env:          []string{"PATH=/usr/local/bin", "WARDER_CONFIG=" + config},
			ExposedPorts: map[string]struct{}{"8080/tcp": {}, "8082/tcp": {}},
			Volumes:      map[string]struct{}{data: {}},
			Healthcheck:  &v1.HealthConfig{Test: []string{"CMD", binary, "ping"}, Interval: 10 * time.Second, Timeout: 5 * time.Second, StartPeriod: 30 * time.Second, Retries: 3},
			Labels:       labels(p),
		},
	}
	bare, err := mutate.ConfigFile(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), described)
	if err != nil {
		return nil, err
	}
	return mutate.Append(bare,
		mutate.Addendum{Layer: shared, MediaType: types.OCILayer, History: v1.History{Created: made, CreatedBy: "authorities, folders, a configuration"}},
		mutate.Addendum{Layer: own, MediaType: types.OCILayer, History: v1.History{Created: made, CreatedBy: "go build"}},
	)
}

// labels are those of OCI's annotations that are known.
func labels(p program) map[string]string {
	all := map[string]string{
		"org.opencontainers.image.title":       "warder",
		"org.opencontainers.image.description": "API keys, and everything that has to stand around them, in front of any HTTP API",
		"org.opencontainers.image.source":      "https://" + module,
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     p.version,
		"org.opencontainers.image.created":     p.committed.UTC().Format(time.RFC3339),
	}
	if p.revision != "" {
		all["org.opencontainers.image.revision"] = p.revision
	}
	return all
}

// pack makes an archive of a folder, sorted by name.
func pack(name, folder string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreMissing(os.Remove(f.Name()))) }()
	if err := errors.Join(archive(f, os.DirFS(folder)), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func archive(w io.Writer, folder fs.FS) error {
	all := tar.NewWriter(w)
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return add(all, folder, name)
	})
	return errors.Join(err, all.Close())
}

func add(all *tar.Writer, folder fs.FS, name string) (err error) {
	f, err := folder.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := all.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: info.Size(), ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	_, err = io.Copy(all, f)
	return err
}
