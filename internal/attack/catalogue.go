package attack

import "strings"

// A Front is the way in through which a case was tried.
type Front string

// The fronts that exist.
const (
	Library  Front = "library"      // the package's own API or its net/http middleware
	Gateway  Front = "gateway"      // the reverse proxy, over a socket
	Asked    Front = "forward-auth" // what a proxy is told, over a socket
	ExtAuthz Front = "ext_authz"    // what Envoy is told, over gRPC
	Admin    Front = "admin"        // the admin and health listeners, over a socket
	CLI      Front = "cli"          // the command line
	Browser  Front = "browser"      // Chromium: what a page can do, and what it can read
)

// Fronts returns every front, in the order of the report.
func Fronts() []Front { return []Front{Library, Gateway, Asked, ExtAuthz, Admin, CLI, Browser} }

// An Entry is one case of the catalogue.
type Entry struct {
	ID    string  // area and number: "KEY-01"
	Sent  string  // what an attacker, or an accident, sends
	Must  string  // what must hold
	At    []Front // where it must have been tried; any one front when empty
	Waits string  // what the whole case waits for; "" when it must hold now
	Rest  string  // the part that waits, when the rest must hold now
}

// Area returns the part of the id before the number: "KEY".
func (e Entry) Area() string {
	area, _, _ := strings.Cut(e.ID, "-")
	return area
}

// Catalogue returns every case, by area and number.
func Catalogue() []Entry {
	var all []Entry
	for _, area := range [][]Entry{
		key(), sess(), jwt(), multi(), proxy(), log(), path(), smug(), tls(), host(), ip(), cors(), csrf(), limit(), fwd(), sql(),
		admin(),
		ui(),
		audit(),
		oas(),
		flood(),
		fleet(),
	} {
		all = append(all, area...)
	}
	return all
}

// Find returns the case id.
func Find(id string) (Entry, bool) {
	for _, e := range Catalogue() {
		if e.ID == id {
			return e, true
		}
	}
	return Entry{}, false
}

// Title returns what an area is about.
func Title(area string) string {
	switch area {
	case "KEY":
		return "API keys"
	case "SESS":
		return "Sessions and login"
	case "JWT":
		return "Tokens"
	case "MULTI":
		return "Several schemes"
	case "TLS":
		return "Transport"
	case "HOST":
		return "Trusted hosts"
	case "IP":
		return "The client's address"
	case "CORS":
		return "Reading from other origins"
	case "CSRF":
		return "Writing from other sites"
	case "FLEET":
		return "Many nodes, one truth"
	case "FLOOD":
		return "Bounded, whatever arrives"
	case "LIMIT":
		return "Limits and credits"
	case "FWD":
		return "Proxies that ask"
	case "AUDIT":
		return "The log of what was changed"
	case "OAS":
		return "Documents that are policy"
	case "SQL":
		return "Injection into SQL"
	case "ADMIN":
		return "Who administers"
	case "UI":
		return "The admin page"
	case "PROXY":
		return "What reaches the upstream, and what comes back"
	case "LOG":
		return "Nothing secret anywhere"
	case "PATH":
		return "One reading of the target"
	case "SMUG":
		return "Request smuggling"
	default:
		return area
	}
}
