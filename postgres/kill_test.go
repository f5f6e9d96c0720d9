package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/postgres"
)

// writerURL names the variable of the process that writes until it is killed.
const writerURL = "WARDER_TEST_WRITER_URL"

// writer creates and revokes keys, from the number on the first line of in, and
// writes the number of each to out once it is acknowledged: n for created, -n for
// revoked. It ends at the first error.
func writer(url string, in io.Reader, out, stderr io.Writer) int {
	err := writeForever(url, in, out)
	_, _ = io.WriteString(stderr, err.Error())
	return 1
}

func writeForever(url string, in io.Reader, out io.Writer) error {
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return err
	}
	ctx := context.Background()
	db, err := postgres.Open(ctx, postgres.Config{URL: url, Log: discard()})
	if err != nil {
		return err
	}
	for ; ; n++ {
		for _, sign := range []int{1, -1} {
			c := newKey(n)
			if sign < 0 {
				c, err = revocation(ctx, db.APIKeys(), n)
			}
			if err == nil {
				_, err = db.APIKeys().Apply(ctx, c)
			}
			if err == nil {
				_, err = fmt.Fprintln(out, sign*n)
			}
			if err != nil {
				return err
			}
		}
	}
}

// revocation returns the change that revokes the nth key.
func revocation(ctx context.Context, keys *postgres.APIKeys, n int) (apikey.Change, error) {
	before, err := keys.Lookup(ctx, keyID(n))
	if err != nil {
		return apikey.Change{}, err
	}
	after := before
	after.Revoked, after.Reason = before.Created.Add(time.Hour), "leaked"
	return apikey.Change{Actor: "user:ada", Source: "cli", Op: apikey.OpRevoke, At: after.Revoked, Before: &before, After: &after}, nil
}
