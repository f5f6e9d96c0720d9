package config

// Passwords say what a new password must not be.
type Passwords struct {
	// BreachedFile is the path of a list of known passwords, which are refused when somebody sets one: SHA-1 digests ordered by hash, as Pwned Passwords has them, of any size; or passwords, one a line, at most 1,000,000. It is searched where it lies; nothing is sent anywhere. Default: only those that are built in are refused.
	BreachedFile string `yaml:"breached_file"`
}
