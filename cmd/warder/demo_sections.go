package main

import (
	"net/http"
	"strings"
)

// sections are the page's answers, in its order.
func sections() []section {
	return []section{
		{"An API key in a header", demoHeader},
		{"An API key in the query, where a route asks for it", demoQuery},
		{"A cookie with a session", demoCookie},
		{"Several schemes on one endpoint: a key or a token", demoSchemes},
		{"HTTPS", demoHTTPS},
		{"CORS", demoCORS},
		{"CSRF", demoCSRF},
		{"Rate limits", demoLimits},
		{"No secrets in logs", demoLogs},
		{"Trusted hosts", demoHosts},
		{"No SQL injection", demoSQL},
	}
}

func (w *demoWorld) keyHeader() string { return "X-API-Key: " + w.key }

func demoHeader(w *demoWorld) []step {
	return []step{
		ask{want: http.StatusOK, says: "with the key", path: "/orders", headers: []string{w.keyHeader()}, shows: "lantern"},
		ask{want: http.StatusUnauthorized, says: "without a key", path: "/orders", shows: "Www-Authenticate: ApiKey"},
		ask{want: http.StatusUnauthorized, says: "with a wrong one", path: "/orders", headers: []string{"X-API-Key: " + strings.ToLower(w.key)}},
	}
}

func demoQuery(w *demoWorld) []step {
	return []step{
		ask{want: http.StatusOK, says: "a download link; the API gets the link without the key", path: "/download?file=may&api_key=" + w.key, shows: `"query":"file=may"`},
		ask{want: http.StatusUnauthorized, says: "the same key in the query of another route", path: "/orders?api_key=" + w.key},
	}
}

// ownOrigin is what a browser sends with forms of the site's own pages.
func (w *demoWorld) ownOrigin() string { return "Origin: " + w.gateway }

func demoCookie(w *demoWorld) []step {
	login := "username=" + demoPerson + "&password="
	return []step{
		ask{want: http.StatusUnauthorized, says: "a wrong password", path: "/auth/login", headers: []string{w.ownOrigin()}, form: login + "guess"},
		ask{
			want: http.StatusSeeOther, says: "the right one begins a session", path: "/auth/login", headers: []string{w.ownOrigin()}, browser: true,
			form: login + strings.ReplaceAll(demoPassword, " ", "+"), shows: "HttpOnly; Secure; SameSite=Lax",
		},
		ask{want: http.StatusOK, says: "with the session's cookie", path: "/account", browser: true, shows: demoPerson},
		ask{want: http.StatusUnauthorized, says: "with a cookie of one's own making", path: "/account", headers: []string{"Cookie: __Host-session=" + strings.Repeat("A", 43)}},
	}
}

func demoSchemes(w *demoWorld) []step {
	return []step{
		ask{want: http.StatusOK, says: "with the key", path: "/shared", headers: []string{w.keyHeader()}},
		ask{want: http.StatusOK, says: "with a token (JWT)", path: "/shared", token: true, shows: "robot"},
		ask{want: http.StatusUnauthorized, says: "with a token of one's own making (alg: none)", path: "/shared", headers: []string{"Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0."}},
		ask{want: http.StatusUnauthorized, says: "with neither: the answer names both", path: "/shared", shows: "Www-Authenticate: Bearer"},
	}
}

func demoHTTPS(w *demoWorld) []step {
	return []step{
		ask{want: http.StatusPermanentRedirect, says: "plain HTTP leads to https", path: "/orders", plain: true, shows: "Location: " + w.gateway + "/orders"},
		ask{want: http.StatusForbidden, says: "a key over plain HTTP is refused, not carried on", path: "/orders", plain: true, headers: []string{w.keyHeader()}},
		ask{want: http.StatusOK, says: "browsers are told to stay with https", path: "/orders", headers: []string{w.keyHeader()}, shows: "Strict-Transport-Security"},
	}
}

func demoCORS(w *demoWorld) []step {
	return []step{
		ask{
			want: http.StatusNoContent, says: "a page of the app may ask with a key", path: "/orders", method: http.MethodOptions,
			headers: []string{"Origin: https://app.example.com", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-api-key"},
			shows:   "Access-Control-Allow-Origin: https://app.example.com",
		},
		ask{
			want: http.StatusNoContent, says: "a page of another site is not told that it may", path: "/orders", method: http.MethodOptions,
			headers: []string{"Origin: https://evil.example", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-api-key"}, hides: "Access-Control-Allow",
		},
	}
}

func demoCSRF(w *demoWorld) []step {
	return []step{
		ask{want: http.StatusCreated, says: "a form of the site itself, with the session of answer 3", path: "/account", browser: true, headers: []string{w.ownOrigin()}, form: "item=rope"},
		ask{want: http.StatusForbidden, says: "the same form on another site", path: "/account", browser: true, headers: []string{"Origin: https://evil.example"}, form: "item=rope"},
		ask{want: http.StatusForbidden, says: "the same form from who knows where", path: "/account", browser: true, form: "item=rope"},
	}
}

func demoLimits(w *demoWorld) []step {
	ordered := func(want int, says, shows string) step {
		return ask{want: want, says: says, path: "/limited", headers: []string{w.keyHeader()}, shows: shows}
	}
	return []step{
		ordered(http.StatusOK, "the first of two in an hour", `Ratelimit: "two-an-hour";r=1`),
		ordered(http.StatusOK, "the second", `Ratelimit: "two-an-hour";r=0`),
		ordered(http.StatusTooManyRequests, "the third, and when to come again", "Retry-After: 1"),
		ask{want: http.StatusUnauthorized, says: "guessing at keys spends nobody's limit but the guesser's", path: "/limited", headers: []string{"X-API-Key: " + strings.ToLower(w.key)}},
	}
}

func demoLogs(*demoWorld) []step {
	return []step{
		look{says: "0 lines of the log hold the key, the token or the password"},
	}
}

func demoHosts(w *demoWorld) []step {
	return []step{
		ask{want: http.StatusMisdirectedRequest, says: "a name that is not ours", path: "/orders", headers: []string{"Host: evil.example", w.keyHeader()}},
	}
}

func demoSQL(w *demoWorld) []step {
	return []step{
		ask{want: http.StatusOK, says: "what is searched for is a parameter: nothing is called that", path: "/orders?item=%27%20OR%20%271%27%3D%271", headers: []string{w.keyHeader()}, shows: `"orders":[]`},
		ask{want: http.StatusUnauthorized, says: "and so is a key", path: "/orders", headers: []string{"X-API-Key: ' OR '1'='1"}},
	}
}
