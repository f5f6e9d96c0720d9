package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// read returns the text of the document.
func (d *document) read(ctx context.Context) ([]byte, error) {
	if d.client == nil {
		return readFile(d.cfg.Document)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.cfg.Document, http.NoBody)
	if err != nil {
		return nil, errors.New("its URL cannot be asked")
	}
	r.Header.Set("Accept", "application/json, application/yaml")
	response, err := d.client.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("its server answers with status %d, want 200", response.StatusCode)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("its server's answer broke off, or is too long: %w", withoutURL(err))
	}
	return text, nil
}

// readFile reads a regular file, up to a bound.
func readFile(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the operator names the file; a pipe must not be waited for
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", name)
	}
	return io.ReadAll(io.LimitReader(f, maxDocument+1))
}

// withoutURL takes the URL off an error of a client: its query may hold a token.
func withoutURL(err error) error {
	var e interface{ Unwrap() error }
	for errors.As(err, &e) && strings.Contains(err.Error(), "://") {
		inner := e.Unwrap()
		if inner == nil {
			break
		}
		err, e = inner, nil
	}
	if strings.Contains(err.Error(), "://") {
		return errors.New("its server cannot be asked")
	}
	return err
}

// first reads the document when nothing is served yet. When other settings are put
// into force it goes on with what was served: the document may ask for less by now,
// and nobody has confirmed that.
func (d *document) first(ctx context.Context) (*version, error) {
	if text, ok := d.gateway.described[d.cfg.Name]; ok {
		return d.version(text)
	}
	text, err := d.read(ctx)
	if err != nil {
		if _, fetched := d.cfg.URL(); fetched {
			return nil, fmt.Errorf("the document cannot be read: %w; it has to be there when warder starts: start its server before, or name a file", err)
		}
		return nil, fmt.Errorf("the document cannot be read: %w", err)
	}
	return d.version(text)
}
