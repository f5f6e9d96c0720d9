//go:build race

package httpserver_test

// raceEnabled says that the race detector is on.
const raceEnabled = true
