//go:build race

package config_test

// slower is how much longer the race detector may take.
const slower = 6
