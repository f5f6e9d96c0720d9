package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/warder-dev/warder/internal/config"
)

// configFlag marks the flags that config.Load reads.
const configFlag = "warder_config"

// configFlags are the texts of the flags that set a value of the configuration.
func configFlags() map[string]string {
	return map[string]string{
		"upstream":      "URL of the API to protect: one route for every path, which wants a key",
		"openapi":       "OpenAPI document of the API, file or URL: its operations are the routes, and what they ask for and take is enforced",
		"listen":        "address of the gateway (default 127.0.0.1:8080)",
		"admin-listen":  "address of metrics and probes, loopback only; \"off\" for none (default 127.0.0.1:8081)",
		"health-listen": "address of the probes alone, for orchestrators (default none)",
		"db":            "SQLite database file, or postgres://user@host/database (default ./warder.db)",
		"peppers-file":  "pepper file (default: the database's name with .peppers)",
		"users-file":    "file of people who log in by name and password (default: users.file of the configuration)",
		"log-file":      "log file; SIGHUP opens it anew (default standard error)",
	}
}

// serveFlags are the settings that the commands about a whole configuration take.
func serveFlags() []string {
	return []string{"upstream", "openapi", "listen", "admin-listen", "health-listen", "db", "peppers-file", "log-file"}
}

// addConfigFlags gives cmd --config and the named flags.
func addConfigFlags(cmd *cobra.Command, names ...string) {
	texts := configFlags()
	add := func(name, text string) {
		cmd.Flags().String(name, "", text)
		cmd.Flags().Lookup(name).Annotations = map[string][]string{configFlag: {name}}
	}
	add("config", "configuration file (YAML)")
	cmd.Flags().Lookup("config").Annotations[cobra.BashCompFilenameExt] = []string{"yaml", "yml"}
	for _, name := range names {
		add(name, texts[name])
	}
}

// source collects what the configuration is made from.
func source(flags *pflag.FlagSet, environ []string) config.Source {
	s := config.Source{Environ: environ, Flags: make(map[string]string)}
	flags.Visit(func(f *pflag.Flag) {
		if f.Annotations[configFlag] != nil && f.Name != "config" {
			s.Flags[f.Name] = f.Value.String()
		}
	})
	s.File, _ = lookup(environ, environmentName("config"))
	if f := flags.Lookup("config"); f != nil && f.Changed {
		s.File = f.Value.String()
	}
	return s
}
