package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/wire"
)

// A clusterNode is one redis-server of a cluster.
type clusterNode struct{ address, bus string }

// startCluster runs three servers that divide the slots.
func startCluster(t *testing.T) (nodes [3]clusterNode) {
	t.Helper()
	for i := range nodes {
		n := clusterNode{wire.FreeAddress(t), wire.FreeAddress(t)}
		nodes[i] = n
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "redis-server", "--port", portOf(n.address), "--cluster-port", portOf(n.bus), "--cluster-enabled", "yes",
			"--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir(), "--loglevel", "warning")
		if err := cmd.Start(); err != nil {
			t.Fatalf("redis-server: %v (package redis-server, see .ci/needs)", err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
	const slots = 16384
	for i, n := range nodes {
		n.await(t, "PONG", "PING")
		n.await(t, "OK", "CLUSTER ADDSLOTSRANGE %d %d", i*slots/3, (i+1)*slots/3-1)
		n.await(t, "OK", "CLUSTER SET-CONFIG-EPOCH %d", i+1)
	}
	for _, n := range nodes[1:] {
		nodes[0].await(t, "OK", "CLUSTER MEET 127.0.0.1 %s %s", portOf(n.address), portOf(n.bus))
	}
	for _, n := range nodes {
		n.await(t, "cluster_state:ok", "CLUSTER INFO")
		n.await(t, "cluster_known_nodes:3", "CLUSTER INFO")
	}
	return nodes
}

func portOf(address string) string { return strings.TrimPrefix(address, "127.0.0.1:") }

// await sends a command until the answer has want in it.
func (n clusterNode) await(t *testing.T, want, format string, args ...any) {
	t.Helper()
	var answer string
	var err error
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if answer, err = n.do(t, fmt.Sprintf(format, args...)); err == nil && strings.Contains(answer, want) {
			return
		}
	}
	t.Fatalf("%s: %q, %v, want %s", format, answer, err, want)
}

// do sends a command of one line and returns the answer: a word or a text.
func (n clusterNode) do(t *testing.T, command string) (string, error) {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", n.address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return "", err
	}
	r := bufio.NewReader(conn)
	head, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(head, "$") {
		return strings.TrimSpace(head), err
	}
	size, err := strconv.Atoi(strings.TrimSpace(head[1:]))
	if err != nil {
		return "", err
	}
	text := make([]byte, size)
	_, err = io.ReadFull(r, text)
	return string(text), err
}

// TestLimitsInACluster: what one request asks for is in one slot, and the counters
// of many subjects are on every server.
func TestLimitsInACluster(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	nodes := startCluster(t)
	p := start(t, upstream.URL(), settings{limit: openRedis(t, nodes[0].address), yaml: `
redis: {addresses: ["127.0.0.1:1"], budget: 10s}
rate_limits:
  few: {count: 2, per: 366d, by: [key, owner], store: redis, on_store_failure: closed}
  more: {count: 100, per: 366d, by: [owner], store: redis, on_store_failure: closed}
default_rate_limits: [few, more]
routes:
  - {match: "/", upstream: api}
`})
	const owners = 40 // whose digests are the same each time: some are on each server
	for i := range owners {
		_, key := p.create(t, apikey.Spec{Environment: "live", Name: "a", Owner: fmt.Sprint("owner", i), Scopes: []string{"orders:*"}})
		wantStatuses(t, "few and more", p.statuses(t, "/", key, 3), 200, 200, 429)
	}
	for i, n := range nodes {
		answer, err := n.do(t, "EVAL \"return tostring(#redis.call('KEYS', '*:more:*'))\" 0")
		if err != nil || answer == "0" {
			t.Errorf("server %d has %q counters, %v, want some of %d", i, answer, err, owners)
		}
	}
}
