package leak

import "time"

// Age makes what g has fetched older by d.
func (g *GitHub) Age(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fetched, g.asked = g.fetched.Add(-d), g.asked.Add(-d)
}
