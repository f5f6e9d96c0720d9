package decision

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"
)

// Peers are who is answered. It is safe for concurrent use.
type Peers struct {
	networks []netip.Prefix
	log      *slog.Logger
	refused  atomic.Uint64
	logged   atomic.Int64 // when a stranger was last logged, in Unix seconds
}

// NewPeers answers the networks.
func NewPeers(networks []netip.Prefix, log *slog.Logger) *Peers {
	return &Peers{networks: networks, log: log}
}

// Refused is how many requests came from peers that are not listed.
func (p *Peers) Refused() uint64 { return p.refused.Load() }

// strangers are logged once in this many seconds.
const strangers = 10

// Answered reports whether the peer at remote (address:port) is listed; one that is
// not is counted, and logged from time to time.
func (p *Peers) Answered(remote string) bool {
	if p.listed(remote) {
		return true
	}
	p.refused.Add(1)
	now, last := time.Now().Unix(), p.logged.Load()
	if now-last >= strangers && p.logged.CompareAndSwap(last, now) {
		p.log.Warn("somebody who is not listed in decision.proxies asked for a decision", slog.String("peer", remote))
	}
	return false
}

func (p *Peers) listed(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	address := peer.Addr().Unmap().WithZone("")
	for _, network := range p.networks {
		if network.Contains(address) {
			return true
		}
	}
	return false
}
