package config

// LiveSettings are those that a running warder takes over.
func LiveSettings() map[string]bool { return liveSettings() }
