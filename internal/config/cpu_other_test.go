//go:build !unix

package config_test

import "time"

var began = time.Now()

// spent is the time since the start, where there is no better clock.
func spent() time.Duration { return time.Since(began) }
