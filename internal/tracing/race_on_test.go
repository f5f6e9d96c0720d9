//go:build race

package tracing_test

// raceEnabled says that the race detector is on: sync.Pool then drops at random.
const raceEnabled = true
