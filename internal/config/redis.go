package config

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/warder-dev/warder/secret"
)

// Redis is a Redis or Valkey server, or a cluster of them, by which nodes share
// limits and sessions.
type Redis struct {
	// Addresses lists host:port of the server, or of some of a cluster. Default: none, nothing is shared.
	Addresses []string `yaml:"addresses"`
	// Username is the user on the server. Default: its default user.
	Username string `yaml:"username"`
	// Password is that user's. Default: none.
	Password secret.Text `yaml:"password"`
	// Database is the number of the database, 0 to 1,000; 0 in a cluster. Default 0.
	Database int `yaml:"database" default:"0" min:"0" max:"1000"`
	// TLS encrypts connections. Default false.
	TLS bool `yaml:"tls" default:"false"`
	// CAFile is the path of a PEM file with the authorities that may sign the server's certificate. Only with tls. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// Prefix begins every key: 1 to 40 lower case letters, digits and ._-; fleets that share a server differ in it. Default warder.
	Prefix string `yaml:"prefix" default:"warder"`
	// HashKey makes the names of keys unreadable for whoever reads the server: 16 bytes at least, the same on every node. Default: none.
	HashKey secret.Text `yaml:"hash_key"`
	// Budget is how long one decision waits for the server at most, 1ms to 10s. Default 20ms.
	Budget time.Duration `yaml:"budget" default:"20ms" min:"1ms" max:"10s"`
	// Nodes is how many nodes share the server, as long as it has never answered, 1 to 65,536. Default 1.
	Nodes int `yaml:"nodes" default:"1" min:"1" max:"65536"`
}

// The words of [RateLimit.Store], [Session.Store] and [RateLimit.OnStoreFailure].
const (
	StoreMemory  = "memory"
	StoreRedis   = "redis" // of limits and of sessions
	StoreLeased  = "leased"
	FailClosed   = "closed"
	FailOpen     = "insecure_open"
	leaseDivisor = 100 // of the burst, for the lease that is not given
)

// Shared reports whether nodes share the limit.
func (r *RateLimit) Shared() bool { return r.Store == StoreRedis || r.Store == StoreLeased }

// LeaseUnits is how many units a node takes ahead; 0 for a limit that is exact.
func (r *RateLimit) LeaseUnits() int {
	switch {
	case r.Store != StoreLeased:
		return 0
	case r.Lease > 0:
		return r.Lease
	default:
		return max(1, burstOf(r.Count, r.Burst)/leaseDivisor)
	}
}

func (l *loader) checkRedis() {
	r := &l.config.Redis
	for i, address := range r.Addresses {
		field := fmt.Sprintf("redis.addresses[%d]", i)
		host, port, err := net.SplitHostPort(address)
		if n, portErr := strconv.ParseUint(port, 10, 16); !l.failed(field) && (err != nil || host == "" || portErr != nil || n == 0) {
			l.reject(field, l.show(field)+" is not an address", "write it like 127.0.0.1:6379")
		}
	}
	l.checkWords("redis.addresses", r.Addresses)
	if r.CAFile != "" && !r.TLS {
		l.reject("redis.ca_file", "has no effect without tls", "")
	}
}

// checkStoreOf checks where a limit counts.
func (l *loader) checkStoreOf(field string, r *RateLimit) {
	switch {
	case r.Shared() && len(l.config.Redis.Addresses) == 0 && !l.failed("redis.addresses") && !l.failed(field+".store"):
		l.reject(field+".store", "has no server", "set redis.addresses")
	case r.Shared() && r.Concurrent > 0:
		l.reject(field+".store", "cannot be had together with concurrent: requests under way are counted on each node", "")
	case !r.Shared() && r.OnStoreFailure != "share":
		l.reject(field+".on_store_failure", "has no effect without a store", "set store: redis or store: leased")
	}
	if r.Lease > 0 && r.Store != StoreLeased {
		l.reject(field+".lease", "has no effect without store: leased", "")
	}
	for _, burst := range r.bursts() {
		if r.Lease > burst && r.Store == StoreLeased {
			l.reject(field+".lease", "is more than the burst", "")
			break
		}
	}
}

// checkTogether wants limits that can be counted all or none: those that ask the
// store for each request not beside ones in memory, in the same place.
func (l *loader) checkTogether(field string, names []string) {
	for _, early := range []bool{true, false} {
		first := map[string]string{}
		for _, name := range names {
			if r, ok := l.config.RateLimits[name]; ok && r.Early() == early && r.Concurrent == 0 && !r.Shadow && first[r.Store] == "" {
				first[r.Store] = name
			}
		}
		if exact, memory := first[StoreRedis], first[StoreMemory]; exact != "" && memory != "" {
			l.reject(field, fmt.Sprintf("has the limits %s with store: redis and %s with store: memory, which count together", exact, memory), "give both store: redis, or the first store: leased")
		}
	}
}
