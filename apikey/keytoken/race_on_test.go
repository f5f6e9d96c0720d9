//go:build race

package keytoken_test

const raceEnabled = true
