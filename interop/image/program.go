package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// module is what is built.
const module = "github.com/warder-dev/warder"

// A program is warder for one kind of processor, and what it says of itself.
type program struct {
	file, arch string
	version    string
	revision   string    // of the commit; "" when that is not known
	committed  time.Time // the Unix epoch when that is not known
}

// source is the folder of the module that is built.
func source(ctx context.Context) (string, error) {
	return output(exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module))
}

// build makes the program as make build does, whatever the environment says of
// processors; flags are more of go build.
func build(ctx context.Context, root, file, arch string, flags ...string) (p program, _ error) {
	command := exec.CommandContext(ctx, "go", slices.Concat([]string{"build", "-trimpath", "-tags", "grpcnotrace", "-o", file}, flags, []string{"./cmd/warder"})...) //nolint:gosec // G204: ours
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "GOWORK=off")
	if _, err := output(command); err != nil {
		return p, err
	}
	return described(file, arch)
}

// described reads what the program was stamped with.
func described(file, arch string) (program, error) {
	p := program{file: file, arch: arch, committed: time.Unix(0, 0).UTC()}
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return p, err
	}
	p.version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			p.revision = s.Value
		case "vcs.time":
			if p.committed, err = time.Parse(time.RFC3339, s.Value); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// settings are what the image says until another configuration is mounted over it.
func settings(root string) ([]byte, error) {
	return os.ReadFile(filepath.Join(root, "deploy", "container", "warder.yaml")) //nolint:gosec // G304: ours
}

// output runs a command, and tells what it said when it fails.
func output(command *exec.Cmd) (string, error) {
	text, err := command.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, bytes.TrimSpace(failed.Stderr))
	}
	return strings.TrimSpace(string(text)), err
}
