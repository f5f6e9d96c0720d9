package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/wire"
)

// TestTheSameBytes: two packings of the same are one archive, whose layout is valid.
func TestTheSameBytes(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "program")
	if err := os.WriteFile(file, bytes.Repeat([]byte("a small program\n"), 1<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	both := []program{{file: file, arch: "amd64", version: "v1.2.3", revision: "abc", committed: time.Unix(1e9, 0)}, {file: file, arch: "arm64", version: "v1.2.3"}}
	first, second := filepath.Join(folder, "first.tar"), filepath.Join(folder, "second.tar")
	for _, name := range []string{first, second} {
		if err := write(name, both, []byte("db: a\n"), gzip.BestCompression); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(read(t, first), read(t, second)) {
		t.Error("the second archive is another one")
	}
	for _, p := range both {
		image := opened(t, first, p.arch)
		if err := validate.Image(image); err != nil {
			t.Errorf("%s: %v", p.arch, err)
		}
	}
}

// TestTheImage is the whole way: nothing is in it but what warder needs, its program
// runs in it as the user that it names, with nothing of this machine to be seen, and
// says that it is well.
func TestTheImage(t *testing.T) {
	folder := t.TempDir()
	root, err := source(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := build(t.Context(), root, filepath.Join(folder, "program"), runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	text, err := settings(root)
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(folder, "warder.tar")
	if err := write(archive, []program{p}, text, gzip.NoCompression); err != nil {
		t.Fatal(err)
	}
	image := opened(t, archive, runtime.GOARCH)
	described, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	checkConfig(t, described, p)
	checkDockerfile(t, filepath.Join(root, "Dockerfile"), described)
	inside := filepath.Join(folder, "inside")
	unpack(t, image, inside)
	runsInside(t, inside, described)
}

func checkConfig(t *testing.T, f *v1.ConfigFile, p program) {
	t.Helper()
	c := f.Config
	if f.OS != "linux" || f.Architecture != runtime.GOARCH || !f.Created.Equal(p.committed) {
		t.Errorf("it is for %s/%s, of %s", f.OS, f.Architecture, f.Created)
	}
	_, volume := c.Volumes["/var/lib/warder"]
	_, gateway := c.ExposedPorts["8080/tcp"]
	_, health := c.ExposedPorts["8082/tcp"]
	if c.User != "65532:65532" || c.WorkingDir != "/var/lib/warder" || !volume || !gateway || !health || !slices.Equal(c.Healthcheck.Test, []string{"CMD", "/usr/local/bin/warder", "ping"}) {
		t.Errorf("it is configured so: %+v", c)
	}
	for _, name := range []string{"title", "description", "source", "licenses", "version", "created"} {
		if c.Labels["org.opencontainers.image."+name] == "" {
			t.Errorf("it has no label %s: %v", name, c.Labels)
		}
	}
}

// checkDockerfile: what an engine builds says the same of itself, and has the same in it.
func checkDockerfile(t *testing.T, name string, f *v1.ConfigFile) {
	t.Helper()
	text := strings.ReplaceAll(string(read(t, name)), "\\\n", " ")
	_, last, ok := strings.Cut(text, "FROM scratch\n")
	if !ok {
		t.Fatal("the Dockerfile has no last stage FROM scratch")
	}
	said := map[string][]string{}
	for line := range strings.Lines(last) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		said[word] = append(said[word], strings.Join(strings.Fields(rest), " "))
	}
	quoted := func(words []string) string { return `["` + strings.Join(words, `", "`) + `"]` }
	c := f.Config
	for word, want := range map[string][]string{
		"USER": {c.User}, "WORKDIR": {c.WorkingDir}, "ENTRYPOINT": {quoted(c.Entrypoint)}, "CMD": {quoted(c.Cmd)}, "ENV": {strings.Join(c.Env, " ")},
		"VOLUME": {quoted(slices.Sorted(maps.Keys(c.Volumes)))}, "EXPOSE": {strings.ReplaceAll(strings.Join(slices.Sorted(maps.Keys(c.ExposedPorts)), " "), "/tcp", "")},
		"HEALTHCHECK": {fmt.Sprintf("--interval=%s --timeout=%s --start-period=%s --retries=%d CMD %s", c.Healthcheck.Interval, c.Healthcheck.Timeout, c.Healthcheck.StartPeriod, c.Healthcheck.Retries, quoted(c.Healthcheck.Test[1:]))},
	} {
		if !slices.Equal(said[word], want) {
			t.Errorf("the Dockerfile says %s %q, want %q", word, said[word], want)
		}
	}
	for _, label := range []string{"title", "description", "source", "licenses"} {
		if name := "org.opencontainers.image." + label; !strings.Contains(strings.Join(said["LABEL"], " "), fmt.Sprintf("%s=%q", name, c.Labels[name])) {
			t.Errorf("the Dockerfile has no %s as the image has it", name)
		}
	}
	if run := said["RUN"]; len(run) > 0 {
		t.Errorf("the last stage runs %q, and has no shell", run)
	}
}

// runsInside starts the program as a pod of the base would, with secrets as a volume
// has them. What the image itself has for a configuration is right with an upstream.
func runsInside(t *testing.T, root string, f *v1.ConfigFile) {
	t.Helper()
	mountSecrets(t, root)
	mounted := filepath.Join(root, "etc/warder/mounted.yaml")
	if err := os.WriteFile(mounted, read(t, "../../deploy/kubernetes/base/warder.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	addresses := []string{wire.FreeAddress(t), wire.FreeAddress(t)}
	inside := func(ctx context.Context, args ...string) *exec.Cmd {
		c := exec.CommandContext(ctx, f.Config.Entrypoint[0], args...)
		c.Path, c.Err = f.Config.Entrypoint[0], nil // found in the new root alone
		c.Dir = f.Config.WorkingDir
		c.Env = append(slices.Clone(f.Config.Env), "WARDER_CONFIG=/etc/warder/mounted.yaml", "WARDER_USERS_FILE=/run/secrets/warder/users",
			"WARDER_LISTEN="+addresses[0], "WARDER_HEALTH_LISTEN="+addresses[1], "WARDER_ADMIN_LISTEN=off", "WARDER_TIMEOUTS_SHUTDOWN_DELAY=0s")
		c.SysProcAttr = confined(root)
		return c
	}
	var said bytes.Buffer
	server := inside(t.Context(), f.Config.Cmd...)
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatalf("%v: a new root is for root, or for users who may make name spaces (kernel.apparmor_restrict_unprivileged_userns=0)", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	ping := func(ctx context.Context) ([]byte, error) {
		return inside(ctx, f.Config.Healthcheck.Test[2:]...).CombinedOutput()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for well := false; !well; {
		out, err := ping(ctx)
		switch well = err == nil; {
		case well && string(out) != "ready\n":
			t.Errorf("ping says %q", out)
		case ctx.Err() != nil:
			t.Fatalf("ping: %v, %s\n%s", err, out, said.String())
		case !well:
			select {
			case err := <-ended:
				t.Fatalf("it ended: %v\n%s", err, said.String())
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	if out, err := inside(ctx, "keys", "create", "--name", "first", "--output", "secret").CombinedOutput(); err != nil || !bytes.HasPrefix(out, []byte("wrd_")) {
		t.Errorf("keys create: %v", err)
	}
	if out, err := inside(ctx, "keys", "list").CombinedOutput(); err != nil || !bytes.Contains(out, []byte("first")) {
		t.Errorf("keys list: %v\n%s", err, out)
	}
	for file, env := range map[string]string{"/etc/warder/zone.yaml": "A=b", config: "WARDER_UPSTREAM=http://api:8000"} {
		c := inside(ctx, "config", "validate", file)
		c.Env = append(slices.Clone(f.Config.Env), env)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
	if out, err := inside(ctx, "users", "list").CombinedOutput(); err != nil || !bytes.Contains(out, []byte("ada")) {
		t.Errorf("users list: %v\n%s", err, out)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the end: %v\n%s", err, said.String())
	}
	if out, err := ping(t.Context()); err == nil || !bytes.Contains(out, []byte("no answer")) {
		t.Errorf("ping of what has ended: %v, %s", err, out)
	}
	checkOwner(t, filepath.Join(root, data, "warder.db"))
	for _, made := range []string{"warder.db.peppers", "warder.db.audit-key"} {
		if _, err := os.Stat(filepath.Join(root, data, made)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was made, although it is given: %v", made, err)
		}
	}
}

// mountSecrets lays secrets into the image as the kubelet does with an fsGroup: files
// of root that the group may read, behind a link. The disk is the group's as well.
func mountSecrets(t *testing.T, root string) {
	t.Helper()
	volume := filepath.Join(root, "run/secrets/warder")
	if err := os.MkdirAll(filepath.Join(volume, "..data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		disk := filepath.Join(root, data)
		if err := errors.Join(os.Chown(disk, 0, user), os.Chmod(disk, fs.ModeSetgid|0o770)); err != nil {
			t.Fatal(err)
		}
	}
	pepper, err := apikey.NewPepper(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := audit.NewSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const ada = "ada:$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHQ\n"
	for name, text := range map[string]string{"peppers": pepper, "audit-key": string(key), "users": ada} {
		file, mode := filepath.Join(volume, "..data", name), fs.FileMode(0o400)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() == 0 {
			mode = 0o440
			err = os.Chown(file, 0, user)
		}
		if err = errors.Join(err, os.Chmod(file, mode), os.Symlink(filepath.Join("..data", name), filepath.Join(volume, name))); err != nil {
			t.Fatal(err)
		}
	}
}

// checkOwner: the program ran as the user of the image.
func checkOwner(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	want := os.Geteuid()
	if want == 0 {
		want = user
	}
	if is, ok := info.Sys().(*syscall.Stat_t); !ok || int(is.Uid) != want || info.Mode().Perm() != 0o600 {
		t.Errorf("the database is of %+v", info.Sys())
	}
}

// confined runs a program with root for its whole file system, as the image's user:
// where this is not root, in a name space in which we are that user.
func confined(root string) *syscall.SysProcAttr {
	if os.Geteuid() == 0 {
		return &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: user, Gid: user, Groups: []uint32{}}}
	}
	return &syscall.SysProcAttr{
		Chroot: root, Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getegid(), Size: 1}},
	}
}

// unpack makes the file system of an image, and looks at what is in it.
func unpack(t *testing.T, image v1.Image, root string) {
	t.Helper()
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 2 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	var files []string
	for _, l := range layers {
		flat, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, unpackLayer(t, flat, root)...)
		if err := flat.Close(); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(files)
	want := []string{"etc/group", "etc/passwd", "etc/ssl/certs/ca-certificates.crt", "etc/warder/warder.yaml", "usr/local/bin/warder"}
	if !slices.Equal(files, want) {
		t.Errorf("it holds %q, want %q", files, want)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(read(t, filepath.Join(root, roots))) {
		t.Error("its authorities cannot be read")
	}
	const zone = "upstreams: {a: {url: 'http://127.0.0.1:1'}}\nroutes: [{match: /, upstream: a, conditions: [{name: a, effect: deny, times: [{days: [sat], zone: Europe/Berlin}]}]}]\n"
	if err := os.WriteFile(filepath.Join(root, "etc/warder/zone.yaml"), []byte(zone), 0o644); err != nil {
		t.Fatal(err)
	}
}

func unpackLayer(t *testing.T, flat io.Reader, root string) (files []string) {
	t.Helper()
	for all := tar.NewReader(flat); ; {
		h, err := all.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(h.Name, "/") || h.Typeflag != tar.TypeDir && h.Typeflag != tar.TypeReg || h.Mode&0o6000 != 0 || (h.Uid != 0) != (h.Name == "var/lib/warder/") {
			t.Errorf("%s: type %c, mode %o, of %d", h.Name, h.Typeflag, h.Mode, h.Uid)
		}
		if h.Typeflag == tar.TypeReg {
			files = append(files, h.Name)
		}
		place(t, filepath.Join(root, filepath.Clean("/"+h.Name)), h, all)
	}
}

func place(t *testing.T, name string, h *tar.Header, text io.Reader) {
	t.Helper()
	mode := fs.FileMode(h.Mode).Perm()
	var err error
	if h.Typeflag == tar.TypeDir {
		err = os.Mkdir(name, mode)
	} else {
		var f *os.File
		if f, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode); err == nil {
			_, err = io.Copy(f, text)
			err = errors.Join(err, f.Close())
		}
	}
	if err == nil && os.Geteuid() == 0 {
		err = os.Lchown(name, h.Uid, h.Gid)
	}
	if err = errors.Join(err, os.Chmod(name, mode)); err != nil {
		t.Fatal(err)
	}
}

// opened reads the archive's image for this machine by somebody else's reader.
func opened(t *testing.T, name, arch string) v1.Image {
	t.Helper()
	folder := t.TempDir()
	for all := tar.NewReader(bytes.NewReader(read(t, name))); ; {
		h, err := all.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(folder, filepath.Clean("/"+h.Name))
		text, err := io.ReadAll(all)
		if err = errors.Join(err, os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	outer, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	tagged, err := outer.IndexManifest()
	if err != nil || len(tagged.Manifests) != 1 {
		t.Fatalf("index.json: %+v, %v", tagged, err)
	}
	index, err := outer.ImageIndex(tagged.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	images, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(images.Manifests, func(d v1.Descriptor) bool { return d.Platform.String() == "linux/"+arch })
	if at < 0 {
		t.Fatalf("nothing for %s: %+v", arch, images)
	}
	image, err := index.Image(images.Manifests[at].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
