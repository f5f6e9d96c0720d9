//go:build !race

package tally_test

// raceEnabled says that the race detector is on: what takes long is made shorter.
const raceEnabled = false
