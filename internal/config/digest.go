package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"reflect"
	"slices"
	"strings"

	"github.com/warder-dev/warder/secret"
)

// ownSettings are those in which nodes of one database may differ: where a node
// listens, what stands around it, and where its files are. Every other setting says
// who may do what, and is the same on all.
func ownSettings() []string {
	return []string{
		"listen", "listeners", "admin_listen", "health_listen", "insecure_admin_listen", "tls", "proxy_protocol", "decision", "portal", "forwarded",
		"db", "postgres", "redis", "peppers", "audit", "log", "timeouts", "tracing",
		"upstream", "openapi", // shorthands: what they stand for is in upstreams and routes
	}
}

// isOwn reports whether a setting of this name, wherever it stands, may differ: places
// of files, addresses, and what depends on the machine.
func isOwn(name string) bool {
	switch name {
	case "file", "folder", "url", "connections", "cache_size":
		return true
	default:
		return strings.HasSuffix(name, "_file")
	}
}

// Digest is the same for two configurations by which nodes judge alike: it covers
// every setting but those that may differ. Secrets are not in it, so none can be
// guessed from it.
func (c *Config) Digest() string {
	h := sha256.New()
	own := ownSettings()
	for sf := range yamlFields(reflect.TypeFor[Config]()) {
		if name := sf.Tag.Get("yaml"); !slices.Contains(own, name) && !isOwn(name) {
			digestText(h, name)
			digest(h, reflect.ValueOf(c).Elem().FieldByIndex(sf.Index))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// digest writes v so that no two values are written alike.
func digest(h hash.Hash, v reflect.Value) {
	if v.Type() == reflect.TypeFor[secret.Text]() {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		digestLength(h, boolLength(!v.IsNil()))
		if !v.IsNil() {
			digest(h, v.Elem())
		}
	case reflect.Struct:
		for sf := range yamlFields(v.Type()) {
			if name := sf.Tag.Get("yaml"); !isOwn(name) {
				digestText(h, name)
				digest(h, v.FieldByIndex(sf.Index))
			}
		}
	case reflect.Slice:
		digestLength(h, boolLength(!v.IsNil()))
		digestLength(h, v.Len())
		for i := range v.Len() {
			digest(h, v.Index(i))
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		digestLength(h, len(keys))
		for _, key := range keys {
			digestText(h, fmt.Sprint(key))
			digest(h, v.MapIndex(key))
		}
	default:
		digestText(h, fmt.Sprint(v))
	}
}

func boolLength(is bool) int {
	if is {
		return 1
	}
	return 0
}

func digestText(h hash.Hash, text string) {
	digestLength(h, len(text))
	_, _ = h.Write([]byte(text)) // a hash never fails
}

func digestLength(h hash.Hash, n int) {
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // a length is not negative
}
