package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/warder-dev/warder/contract"
	"github.com/warder-dev/warder/internal/config"
)

// CheckDocuments reads the documents that are files, and reports what would keep
// the gateway from starting with them, for those who check a configuration. Those
// behind a URL are not asked for.
func CheckDocuments(cfg *config.Config) error {
	var errs []error
	for i := range cfg.OpenAPIDocuments {
		d := &document{
			gateway: &Gateway{cfg: Config{Config: cfg}}, cfg: &cfg.OpenAPIDocuments[i], field: fmt.Sprintf("openapi_documents[%d]", i),
		}
		if _, fetched := d.cfg.URL(); fetched {
			continue
		}
		if err := d.check(); err != nil {
			errs = append(errs, documentError(cfg, i, err))
		}
	}
	return errors.Join(errs...)
}

// check is version without a policy.
func (d *document) check() error {
	text, err := readFile(d.cfg.Document)
	if err != nil {
		return fmt.Errorf("the document cannot be read: %w", err)
	}
	doc, err := contract.Read(text, contract.Options{Bytes: maxDocument, Base: d.cfg.BasePath})
	if err != nil {
		return err
	}
	_, err = d.schemes(doc)
	errs := []error{err}
	for _, o := range doc.Operations {
		if err := d.checkLimits(&config.Route{RateLimits: o.Limits}); err != nil && len(errs) < 20 {
			errs = append(errs, fmt.Errorf("%s (%s): %w", o.Name(), o.Place(), err))
		}
	}
	return errors.Join(errs...)
}

// checkLimits wants limits that there are, and that the store can count at once.
func (d *document) checkLimits(route *config.Route) error {
	cfg := d.gateway.cfg.Config
	for _, name := range route.RateLimits {
		if name == config.Off {
			return errors.New("x-warder-limits names off: a document cannot take limits away")
		}
		if _, known := cfg.RateLimits[name]; !known {
			return fmt.Errorf("x-warder-limits names %q, which rate_limits lacks", name)
		}
	}
	var together [][]string
	eachStage(cfg, func(names []string) { together = append(together, names) })
	err := error(nil)
	eachStage(&config.Config{RateLimits: cfg.RateLimits, DefaultRateLimits: cfg.RouteLimits(route)}, func(names []string) {
		known := slices.ContainsFunc(together, func(all []string) bool {
			return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(all, name) })
		})
		if len(names) > 1 && !known {
			err = fmt.Errorf("its limits %s are shared through redis, and no route of the configuration has them together: name fewer, or list them in default_rate_limits", strings.Join(names, ", "))
		}
	})
	return err
}
