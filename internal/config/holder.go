package config

// Holder says whether the holder of a key may look at it, roll and revoke it, with
// the key itself.
type Holder struct {
	// Path is where: GET PATH shows the key, POST PATH/roll gives it a new secret, POST PATH/revoke ends it. Such as /_warder/me. Default: none, nobody may.
	Path string `yaml:"path"`
}

// checkHolder wants a path like those of logins.
func (l *loader) checkHolder() {
	if path := l.config.Holder.Path; path != "" && !l.failed("holder.path") && !plainPath(path) {
		l.reject("holder.path", "is not a plain path", "write it like /_warder/me, without / at the end")
	}
}
