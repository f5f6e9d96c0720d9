package redis_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/redis"
)

// nodeAddress is the environment of a process that counts in the server at that
// address.
const nodeAddress = "WARDER_TEST_REDIS"

const (
	nodeLimit    = 300
	nodeRequests = 5 * nodeLimit // of each of two
)

func TestMain(m *testing.M) {
	address := os.Getenv(nodeAddress) //nolint:forbidigo // this binary started itself
	if address == "" {
		os.Exit(m.Run()) //nolint:forbidigo // as TestMain does
	}
	if err := runNode(address, os.Stdin, os.Stdout); err != nil {
		_, _ = io.WriteString(os.Stderr, err.Error())
		os.Exit(1) //nolint:forbidigo // as TestMain does
	}
}

// runNode says that it is ready, waits for a line, sends its requests at once, and
// says how many passed.
func runNode(address string, in io.Reader, out io.Writer) error {
	db, err := redis.Open(redis.Config{Addresses: []string{address}, Budget: 10 * time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	for end := time.Now().Add(patience); !db.Status().Up; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("the server does not answer")
		}
	}
	var limits []*ratelimit.Limit
	for _, name := range []string{"one", "two"} {
		l, err := ratelimit.NewLimit(ratelimit.LimitConfig{
			Name: name, Quota: ratelimit.Quota{Count: nodeLimit, Per: 24 * time.Hour}, By: []ratelimit.Part{ratelimit.ByKey()}, Store: db.Limits(), Outage: ratelimit.Closed,
		})
		if err != nil {
			return err
		}
		limits = append(limits, l)
	}
	s, err := ratelimit.New(ratelimit.Config{Limits: limits})
	if err != nil {
		return err
	}
	scan := bufio.NewScanner(in)
	if _, err := fmt.Fprintln(out, "ready"); err != nil || !scan.Scan() {
		return errors.Join(err, scan.Err())
	}
	o := new(outcomes)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			for range nodeRequests / 30 {
				o.check(s, from("k"))
			}
		})
	}
	wg.Wait()
	_, err = fmt.Fprintln(out, o.passed.Load(), o.refused.Load(), o.failed.Load())
	return errors.Join(err, db.Close())
}

// Two processes admit together exactly what the limit has.
func TestTwoProcesses(t *testing.T) {
	attack.Case(t, "LIMIT-04", attack.Library, func(t *testing.T) {
		s := startServer(t)
		type node struct {
			in  io.WriteCloser
			out *bufio.Scanner
			cmd *exec.Cmd
		}
		var nodes []node
		for range 2 {
			cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0])
			cmd.Env = append(os.Environ(), nodeAddress+"="+s.Address) //nolint:forbidigo // for itself
			cmd.Stderr = os.Stderr
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			nodes = append(nodes, node{in, bufio.NewScanner(out), cmd})
		}
		for _, n := range nodes {
			if !n.out.Scan() || n.out.Text() != "ready" {
				t.Fatalf("a process is not ready: %q", n.out.Text())
			}
		}
		for _, n := range nodes {
			if _, err := io.WriteString(n.in, "go\n"); err != nil {
				t.Fatal(err)
			}
		}
		all := 0
		for i, n := range nodes {
			var passed, refused, failed int
			if !n.out.Scan() {
				t.Fatal("a process said nothing")
			}
			if _, err := fmt.Sscan(n.out.Text(), &passed, &refused, &failed); err != nil || failed != 0 || passed+refused != nodeRequests {
				t.Fatalf("process %d: %q, %v", i, n.out.Text(), err)
			}
			if err := n.cmd.Wait(); err != nil {
				t.Error(err)
			}
			t.Logf("process %d: %d of %d passed", i, passed, nodeRequests)
			all += passed
		}
		if all != nodeLimit {
			t.Errorf("%d of %d passed, want %d", all, 2*nodeRequests, nodeLimit)
		}
	})
}
