package server

import "errors"

// stopWatching ends the streams of those who watch decisions.
func (k *keyService) stopWatching() {
	if k.api != nil {
		k.api.StopWatching()
	}
}

// watchTail tells who watches decisions, and what they missed.
func (p *program) watchTail() error {
	return errors.Join(
		p.metrics.Watch("warder_tail_viewers", "Who watch decisions live.", func() float64 {
			if p.keys.api == nil {
				return 0
			}
			return float64(p.keys.api.Viewers())
		}),
		p.metrics.Watch("warder_tail_missed_total", "Decisions that somebody who watched missed for reading too slowly, for each.",
			func() float64 { return float64(p.tail.Missed()) }),
	)
}
