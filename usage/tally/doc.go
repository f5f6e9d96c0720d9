// Package tally counts requests: how many each key sent, to which route, and what
// came of them; when each secret of a key was used last, from where, and for which
// scopes. It counts in memory and writes in the background: no request waits for the
// store.
//
// What it holds is bounded, whatever arrives: only keys that were proven are told
// apart, and of these, with their routes, at most [Config.Cells] in one minute. The
// rest is counted as [Other]. A process that ends without a word loses what it
// counted since the last flush.
//
// Rows are kept by the minute, the hour and the day, each for a time of its own. A
// request counts for the minute in which it ended, give or take one flush.
//
// Whoever acts on what was not used asks [Complete] for the time in which nothing
// can have been missed, whichever nodes counted.
package tally
