package config

import "slices"

// checkEverybody refuses what package cors refuses at start: everybody, beside
// somebody or with what is meant for somebody.
func (l *loader) checkEverybody(field string, p *CORSPolicy) {
	if !slices.Contains(p.Origins, "*") {
		return
	}
	if len(p.Origins) > 1 {
		l.reject(field+".origins", "has * beside other origins", "list the origins, or * alone")
	}
	if p.Credentials {
		l.reject(field+".credentials", "is set for every origin: every page could read as its visitor", "list the origins")
	}
	if p.PrivateNetwork {
		l.reject(field+".private_network", "is set for every origin: every page could reach into the network", "list the origins")
	}
}
