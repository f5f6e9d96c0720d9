package config

import (
	"slices"
	"strings"

	"github.com/warder-dev/warder/internal/outgoing"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/webhook"
)

// A Webhook is an address that is told what happens.
type Webhook struct {
	// URL is where events are posted to: https, without user and fragment. Required.
	URL string `yaml:"url" jsonschema:"required"`
	// Secret signs what is posted: the base64 of 24 to 64 random bytes, with or without "whsec_" before it. Required.
	Secret secret.Text `yaml:"secret" jsonschema:"required"`
	// FormerSecret signs too, until every receiver knows secret. Default: none.
	FormerSecret secret.Text `yaml:"former_secret"`
	// Events lists the types of events that are posted. Default: all.
	Events []string `yaml:"events" enum:"key.expiring|key.idle_revoked|limit.near|honeytoken.used|key.leaked"`
	// CAFile is the path of a PEM file with the authorities that may sign the receiver's certificate. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// InsecurePrivate lets url lead to a private network or this machine. It costs: whoever chooses the URL chooses what warder talks to behind the firewall. Default false.
	InsecurePrivate bool `yaml:"insecure_private" default:"false"`
	// InsecureHTTP lets url be plain http. It costs: whoever is on the way reads the events. Default false.
	InsecureHTTP bool `yaml:"insecure_http" default:"false"`
}

// maxWebhooks bounds who is told.
const maxWebhooks = 32

func (l *loader) checkWebhooks() {
	if len(l.config.Webhooks) > maxWebhooks && !l.failed("webhooks") {
		l.reject("webhooks", "are more than 32", "")
	}
	for _, name := range sortedKeys(l.config.Webhooks) {
		field, w := "webhooks."+name, l.config.Webhooks[name]
		if !validName(name) {
			l.reject(field, "is no name", "use 1 to 63 lower case letters, digits, \"-\" and \"_\", the first a letter or digit")
		}
		l.checkWebhook(field, &w)
	}
}

func (l *loader) checkWebhook(field string, w *Webhook) {
	switch _, err := outgoing.ParseURL(w.URL, w.InsecureHTTP); {
	case l.failed(field+".url") || l.failed(field):
	case w.URL == "":
		l.reject(field, "has no url", exampleWebhook)
	case err != nil && !w.InsecureHTTP && strings.HasPrefix(w.URL, "http:"):
		l.reject(field+".url", "is plain http", "use https, or set insecure_http if nobody else is on the way")
	case err != nil:
		l.reject(field+".url", "is no address to post to", "write it like https://hooks.example.com/warder, without user and fragment")
	}
	for name, s := range map[string]secret.Text{"secret": w.Secret, "former_secret": w.FormerSecret} {
		if l.failed(field+"."+name) || l.failed(field) || name == "former_secret" && s.IsZero() {
			continue
		}
		if s.IsZero() {
			l.reject(field, "has no secret", "make one by `openssl rand -base64 32`, and name it like secret: ${WEBHOOK_SECRET}")
		} else if webhook.CheckSecret(s) != nil {
			l.reject(field+"."+name, "is not the base64 of 24 to 64 bytes", "make one by `openssl rand -base64 32`")
		}
	}
	l.checkWords(field+".events", w.Events)
}

const exampleWebhook = "write it like url: https://hooks.example.com/warder"

// Wants reports whether anybody is told of events of this type.
func (c *Config) Wants(kind string) bool {
	for name := range c.Webhooks {
		if w := c.Webhooks[name]; len(w.Events) == 0 || slices.Contains(w.Events, kind) {
			return true
		}
	}
	return false
}
