package config

// Source is what a configuration is made from.
type Source struct {
	File    string            // path of the YAML file, at most 1 MiB; empty: none
	Environ []string          // "NAME=value" as os.Environ returns it; WARDER_* set fields, all serve ${NAME}
	Flags   map[string]string // by flag name, with or without leading dashes, see [Settings]
}

type origin struct{}
