package keyimport

// SetHeld makes a check hold at most n keys in memory.
func (m *Importer) SetHeld(n int) { m.cfg.held = n }

// Look makes a check ask the store.
func (m *Importer) Look() { m.cfg.Look = true }
