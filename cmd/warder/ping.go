package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// off is the address of a listener that there is not.
const off = "off"

// maxProbe is how much of a probe's answer is shown, in bytes.
const maxProbe = 1 << 10

func newPing(p *process) *cobra.Command {
	var server string
	var live bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "ping",
		Short: "Ask a warder that runs whether it can judge requests",
		Long: `Ask a warder that runs whether it can judge requests.

It is asked at health_listen of the configuration, or at admin_listen where there is
none, or at --server. Exit code 0: it can. 1: it cannot, or does not answer, and the
reason is said. This is the health check of containers, which have no curl.`,
		Example: `  warder ping --config warder.yaml
  warder ping --live
  warder ping --server http://127.0.0.1:8082`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout < time.Millisecond || timeout > time.Minute {
				return fail(exitUsage, "", "--timeout %s: want 1ms to 1m", timeout)
			}
			base, err := probed(cmd, p, server)
			if err != nil {
				return err
			}
			path := "/readyz"
			if live {
				path = "/healthz"
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			line, err := probe(ctx, base+path)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.stdout, clean(line))
			return err
		},
	}
	addConfigFlags(cmd, "health-listen", "admin-listen")
	f := cmd.Flags()
	f.StringVar(&server, "server", "", "ask there, such as http://127.0.0.1:8082, in place of where the configuration says")
	f.BoolVar(&live, "live", false, "ask whether the process runs, and no more")
	f.DurationVar(&timeout, "timeout", 3*time.Second, "how long the answer may take, 1ms to 1m")
	return cmd
}

// probed returns the URL of the listener that answers probes, without a path.
func probed(cmd *cobra.Command, p *process, server string) (string, error) {
	if server != "" {
		u, err := url.Parse(server)
		if err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return "", fail(exitUsage, "write it like http://127.0.0.1:8082", "--server: is not the address of a listener")
		}
		return "http://" + u.Host, nil
	}
	from := source(cmd.Flags(), p.environ)
	from.StoreOnly = true // what is protected does not matter
	cfg, err := loadConfig(from)
	if err != nil {
		return "", err
	}
	address := cfg.HealthListen
	if address == "" || address == off {
		address = cfg.AdminListen
	}
	if address == off {
		return "", fail(exitUsage, "set health_listen", "the configuration has no listener that answers probes")
	}
	return dialled(address)
}

// dialled is the URL by which this machine reaches a listener on address.
func dialled(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return "", fail(exitUsage, "name it by --server", "the port of %s is chosen when it is opened", printable(address))
	}
	switch ip, err := netip.ParseAddr(host); {
	case host == "" || err == nil && ip.Unmap() == netip.IPv4Unspecified():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// probe asks once, over a connection of its own and through no proxy, and returns the
// line that it is answered. A redirect is an answer, and no good one.
func probe(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", fail(exitUsage, "write it like http://127.0.0.1:8082", "--server: is not the address of a listener")
	}
	transport := &http.Transport{DisableKeepAlives: true, Proxy: nil}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", fail(exitUnwell, "", "no answer: %w", unwrapped(err))
	}
	defer response.Body.Close() //nolint:errcheck // it was read as far as it is wanted
	text, err := io.ReadAll(io.LimitReader(response.Body, maxProbe))
	if err != nil {
		return "", fail(exitUnwell, "", "no answer: %w", unwrapped(err))
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if response.StatusCode != http.StatusOK {
		return "", fail(exitUnwell, "", "%d: %s", response.StatusCode, line)
	}
	return line, nil
}

// unwrapped says that the time was over in place of how that was noticed.
func unwrapped(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("within --timeout")
	}
	return err
}
