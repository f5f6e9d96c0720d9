package config

// checkH2C refuses HTTP/2 without TLS where there is TLS: nobody would speak it.
func (l *loader) checkH2C() {
	at := map[string]string{"insecure_h2c": ""}
	for name := range l.config.Listeners {
		at["listeners."+name+".insecure_h2c"] = name
	}
	for _, field := range sortedKeys(at) {
		if c := l.config.At(at[field]); c.InsecureH2C && c.TLS.Enabled() {
			l.reject(field, "has no effect with TLS, which speaks HTTP/2 anyway", "leave it out")
		}
	}
}
