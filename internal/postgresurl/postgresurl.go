// Package postgresurl reads the address of a PostgreSQL database, such as
// postgres://warder_app@db.internal/warder?sslmode=verify-full, and takes the
// password out of it. Its errors never repeat what was given.
package postgresurl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The words of sslmode that are accepted, from the weakest to the strongest.
const (
	Disable    = "disable"
	Prefer     = "prefer"
	Require    = "require"
	VerifyCA   = "verify-ca"
	VerifyFull = "verify-full"
)

// An Address is where a database is.
type Address struct {
	User     string // empty: as the driver finds it
	Hosts    []Host // at least one; of several the one that can be written to is used
	Database string // not empty
	SSLMode  string // never empty
	params   url.Values
}

// A Host is one server: a name or an IP address, or the folder of a Unix socket.
type Host struct {
	Name string
	Port int
}

// defaultPort is the server's own.
const defaultPort = 5432

// Is reports whether text looks like the address of a PostgreSQL database.
func Is(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

// Parse reads text. The password comes back beside the address, empty for none.
func Parse(text string) (a Address, password string, err error) {
	_, rest, ok := strings.Cut(text, "://")
	if !ok || !Is(text) {
		return a, "", errors.New("is no address of PostgreSQL: write it like postgres://user@host/database")
	}
	if strings.ContainsRune(rest, '#') || strings.ContainsRune(rest, 0) {
		return a, "", errors.New("has a # or a NUL: write %23 for a #")
	}
	rest, query, _ := strings.Cut(rest, "?")
	if a.params, err = url.ParseQuery(query); err != nil {
		return a, "", errors.New("has parameters that cannot be read")
	}
	authority, database, _ := strings.Cut(rest, "/")
	if a.Database, err = one(database, a.params, "dbname"); err != nil || a.Database == "" || strings.Contains(a.Database, "/") {
		return a, "", errors.New("names no database: write it like postgres://user@host/database")
	}
	var people, hosts string
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		people, hosts = authority[:i], authority[i+1:]
	} else {
		hosts = authority
	}
	user, secret, _ := strings.Cut(people, ":")
	if a.User, err = one(user, a.params, "user"); err != nil {
		return a, "", errors.New("has a user that cannot be read: % is written %25")
	}
	if password, err = one(secret, a.params, "password"); err != nil {
		return a, "", errors.New("has a password that cannot be read: % is written %25, / is %2F, @ is %40")
	}
	if err := a.hosts(hosts); err != nil {
		return a, "", err
	}
	return a, password, a.check()
}

// one returns the text of a part of the address, or of the parameter that stands
// for it.
func one(part string, params url.Values, name string) (string, error) {
	text, err := url.PathUnescape(part)
	if given := params.Get(name); text == "" {
		text = given
	}
	params.Del(name)
	return text, err
}

// hosts reads "a:5432,b" or, without it, the parameters host and port.
func (a *Address) hosts(list string) error {
	ports, ok := portsOf(a.params.Get("port"))
	if list == "" {
		list = a.params.Get("host")
	} else if a.params.Has("host") {
		return errors.New("names its host twice")
	}
	a.params.Del("host")
	a.params.Del("port")
	names := strings.Split(list, ",")
	if !ok || len(ports) != 1 && len(ports) != len(names) {
		return errPort
	}
	for i, name := range names {
		h := Host{Port: ports[min(i, len(ports)-1)]}
		decoded, err := url.PathUnescape(name)
		if h.Name = decoded; err != nil {
			return errPort
		}
		if strings.HasPrefix(decoded, "/") {
			a.Hosts = append(a.Hosts, h)
			continue
		}
		if host, number, err := net.SplitHostPort(decoded); err == nil {
			h.Name = host
			if h.Port, ok = portOf(number); !ok {
				return errPort
			}
		}
		h.Name = strings.TrimSuffix(strings.TrimPrefix(h.Name, "["), "]")
		if h.Name == "" {
			return errors.New("names no host: write it like postgres://user@host/database, or ?host=/var/run/postgresql for a socket")
		}
		if !validHost(h.Name) {
			return errPort
		}
		a.Hosts = append(a.Hosts, h)
	}
	return nil
}

// validHost reports whether name is an IP address, or has the letters of a name.
func validHost(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}

var errPort = errors.New("has a host or port that cannot be read")

// portsOf reads "5432", or one for each host.
func portsOf(list string) (ports []int, ok bool) {
	for text := range strings.SplitSeq(list, ",") {
		port, ok := portOf(text)
		if !ok {
			return nil, false
		}
		ports = append(ports, port)
	}
	return ports, true
}

func portOf(text string) (int, bool) {
	if text == "" {
		return defaultPort, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n > 0 && n <= 65535
}

// accepted are the parameters beside those of the fields. What is not here could
// change how statements are read or sent.
func accepted() []string {
	return []string{
		"sslmode", "sslrootcert", "sslcert", "sslkey", "sslsni", "passfile", "connect_timeout", "application_name", "channel_binding",
		"pool_max_conns", "pool_min_conns", "pool_max_conn_lifetime", "pool_max_conn_idle_time",
	}
}

// check looks at the parameters, and completes sslmode: encrypted and verified
// beyond this machine, unless it is said otherwise.
func (a *Address) check() error {
	for name, values := range a.params {
		switch {
		case !slices.Contains(accepted(), name):
			return fmt.Errorf("has a parameter that warder does not take; it takes host, port, user, dbname, password, %s", strings.Join(accepted(), ", "))
		case len(values) != 1:
			return errors.New("gives a parameter twice")
		}
	}
	if a.SSLMode = a.params.Get("sslmode"); a.SSLMode == "" {
		if a.SSLMode = VerifyFull; a.Local() {
			a.SSLMode = Prefer
		}
	}
	if !slices.Contains([]string{Disable, Prefer, Require, VerifyCA, VerifyFull}, a.SSLMode) {
		return errors.New("has an sslmode that is none of disable, prefer, require, verify-ca and verify-full")
	}
	return nil
}

// Local reports whether the connection never leaves this machine: loopback
// addresses and Unix sockets only.
func (a *Address) Local() bool {
	return !slices.ContainsFunc(a.Hosts, func(h Host) bool {
		ip, err := netip.ParseAddr(h.Name)
		return !strings.HasPrefix(h.Name, "/") && h.Name != "localhost" && (err != nil || !ip.Unmap().IsLoopback())
	})
}

// ClearText reports whether others on the way may read the connection.
func (a *Address) ClearText() bool {
	return !a.Local() && (a.SSLMode == Disable || a.SSLMode == Prefer)
}

// Unverified reports whether somebody on the way may stand in for the server.
func (a *Address) Unverified() bool {
	return !a.Local() && a.SSLMode != VerifyFull
}

// URL returns the address without a password, with every default written out.
func (a *Address) URL() string {
	q := url.Values{}
	for name, values := range a.params {
		q[name] = slices.Clone(values)
	}
	q.Set("sslmode", a.SSLMode)
	whole := url.URL{Scheme: "postgres", Path: "/" + a.Database}
	if h := a.Hosts[0]; len(a.Hosts) == 1 && !strings.HasPrefix(h.Name, "/") {
		whole.Host = net.JoinHostPort(h.Name, strconv.Itoa(h.Port))
	} else {
		names, ports := make([]string, len(a.Hosts)), make([]string, len(a.Hosts))
		for i, h := range a.Hosts {
			names[i], ports[i] = h.Name, strconv.Itoa(h.Port)
		}
		q.Set("host", strings.Join(names, ","))
		q.Set("port", strings.Join(ports, ","))
	}
	whole.RawQuery = q.Encode()
	if a.User != "" {
		whole.User = url.User(a.User)
	}
	return whole.String()
}

// Has reports whether the address gives a parameter.
func (a *Address) Has(parameter string) bool { return a.params.Has(parameter) }

// Name names the database for people: host:port/database.
func (a *Address) Name() string {
	names := make([]string, len(a.Hosts))
	for i, h := range a.Hosts {
		if names[i] = net.JoinHostPort(h.Name, strconv.Itoa(h.Port)); strings.HasPrefix(h.Name, "/") {
			names[i] = h.Name
		}
	}
	return strings.Join(names, ",") + "/" + a.Database
}
