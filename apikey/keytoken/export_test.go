package keytoken

// Remembered returns how many verified tokens are.
func (t *Tokens) Remembered() int { return t.cache.Len() }
