package server

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/internal/fleet"
)

// compareInterval is how often a node looks at what the others announce.
const compareInterval = 3 * time.Second

// siblings know which of the other nodes differ from this one in configuration or
// peppers. Nobody is cut off for it: during each change one node after the other
// differs for a while.
type siblings struct {
	member   *fleet.Member
	registry fleet.Registry
	log      *slog.Logger
	timeout  time.Duration
	configs  atomic.Int64
	peppers  atomic.Int64
	nodes    atomic.Int64
	told     string // what was logged last

	stop context.CancelFunc
	done chan struct{}
}

// compareNodes begins to look at the others.
func (p *program) compareNodes(ctx context.Context) {
	o := p.options
	s := &siblings{member: p.member, registry: o.Registry, log: o.Log, timeout: o.Config.Timeouts.Store, done: make(chan struct{})}
	p.siblings = s
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	go s.run(ctx)
}

func (s *siblings) run(ctx context.Context) {
	defer close(s.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		s.look(ctx)
		timer.Reset(compareInterval)
	}
}

// look compares, and logs when the picture is another one. A registry without an
// answer leaves it as it was: whoever announces this node tells of that.
func (s *siblings) look(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	nodes, err := s.registry.Nodes(within, fleet.Slack)
	if err != nil {
		return
	}
	all := fleet.Compare(s.member.Node(), nodes)
	var configs, peppers int64
	var picture strings.Builder
	for _, d := range all {
		picture.WriteString(d.Node.ID + d.Node.Config + d.Node.Peppers + "\n")
		if d.Config {
			configs++
		}
		if len(d.Lacks)+len(d.More) > 0 {
			peppers++
		}
	}
	s.configs.Store(configs)
	s.peppers.Store(peppers)
	s.nodes.Store(int64(len(all)))
	if picture.String() == s.told {
		return
	}
	s.told = picture.String()
	if len(all) == 0 {
		s.log.Info("the nodes have the same configuration and peppers again")
	}
	for i := range all {
		s.tell(&all[i])
	}
}

// tell logs how one node differs. Ids of peppers may be shown.
func (s *siblings) tell(d *fleet.Difference) {
	node := slog.Group("node", slog.String("host", d.Node.Host), slog.Int("pid", d.Node.PID), slog.String("version", d.Node.Version))
	if d.Config {
		s.log.Warn("another node has another configuration: it judges by other rules; load the same on all", node)
	}
	if len(d.More) > 0 {
		s.log.Warn("another node has peppers that this one lacks: keys that need them are 503 here; give every node the same peppers", node, slog.String("peppers", strings.Join(d.More, ",")))
	}
	if len(d.Lacks) > 0 {
		s.log.Warn("another node lacks peppers that this one has: keys that need them are 503 there; give every node the same peppers", node, slog.String("peppers", strings.Join(d.Lacks, ",")))
	}
}

// differing returns how many of the other nodes differ.
func (s *siblings) differing() int { return int(s.nodes.Load()) }

func (s *siblings) close() {
	s.stop()
	<-s.done
}

// watchSiblings adds the figures of nodes that differ.
func (p *program) watchSiblings() error {
	if err := p.metrics.Watch("warder_nodes_other_configuration", "Other nodes that run and whose configuration is not this one's.",
		func() float64 { return float64(p.siblings.configs.Load()) }); err != nil {
		return err
	}
	return p.metrics.Watch("warder_nodes_other_peppers", "Other nodes that run and that have peppers which this one lacks, or lack some of its own.",
		func() float64 { return float64(p.siblings.peppers.Load()) })
}
