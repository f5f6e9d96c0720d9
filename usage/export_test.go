package usage

// Purses is how many subjects l remembers.
func Purses(l *Ledger) (n int) {
	for i := range l.shards {
		l.shards[i].mu.RLock()
		n += len(l.shards[i].purses)
		l.shards[i].mu.RUnlock()
	}
	return n
}
