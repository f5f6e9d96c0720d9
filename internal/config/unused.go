package config

// unused tells of what is written down and never comes into force: whoever wrote
// it believes that it holds.
func (w *weaknesses) unused() {
	c := w.config
	limits, policies, upstreams := map[string]bool{}, map[string]bool{DefaultCORS: true}, map[string]bool{}
	for _, name := range c.DefaultRateLimits {
		limits[name] = true
	}
	for i := range c.Routes {
		r := &c.Routes[i]
		policies[r.CORS], upstreams[r.Upstream] = true, true
		for _, name := range r.RateLimits {
			limits[name] = true
		}
	}
	for i := range c.OpenAPIDocuments {
		upstreams[c.OpenAPIDocuments[i].Upstream] = true
	}
	if len(c.OpenAPIDocuments) > 0 { // which may name any by x-warder-limits
		limits = nil
	}
	unusedOf(w, "cors.", c.CORS, policies, "no route names it, so that it holds nowhere", "name it as cors of a route, or call it default")
	unusedOf(w, "upstreams.", c.Upstreams, upstreams, "no route uses it", "name it as upstream of a route, or take it away")
	if limits != nil {
		unusedOf(w, "rate_limits.", c.RateLimits, limits, "no route uses it, so that it holds nowhere", "name it in default_rate_limits or in rate_limits of a route")
	}
	w.unusedLogin()
}

func unusedOf[T any](w *weaknesses, path string, all map[string]T, used map[string]bool, costs, mend string) {
	for _, name := range sortedKeys(all) {
		if !used[name] {
			w.add(path+name, costs, mend)
		}
	}
}

// unusedLogin tells of a login whose session no scheme takes.
func (w *weaknesses) unusedLogin() {
	c := w.config
	for _, scheme := range c.Schemes {
		if scheme.Session != nil {
			return
		}
	}
	const costs, mend = "people can log in, and no route takes their session", "add a scheme such as login: {session: {}}, and name it in security"
	if c.Session.Password {
		w.add("session.password", costs, mend)
	}
	if c.Session.OIDC != nil {
		w.add("session.oidc", costs, mend)
	}
}
