package main

import (
	"time"

	"github.com/warder-dev/warder/cors"
)

// addCORS lets the pages of one origin read answers, refusals too. Everybody
// else's cannot. There is no way to allow every origin together with credentials.
func (s *service) addCORS() (err error) {
	s.cors, err = cors.New(cors.Config{
		Origins:        []string{s.app},
		RequestHeaders: []string{"Authorization", "Content-Type", s.header.Field()},
		ExposedHeaders: []string{"RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"},
		MaxAge:         10 * time.Minute,
	})
	return err
}
