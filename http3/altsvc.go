package http3

import (
	"net/http"
	"strconv"
)

// Advertise is next with a field in each answer that tells where HTTP/3 is served
// (RFC 7838): at the same host, on this UDP port as clients see it. They remember
// it for a day. It is for what answers over TCP and TLS.
func Advertise(port int, next http.Handler) http.Handler {
	field := []string{`h3=":` + strconv.Itoa(port) + `"; ma=86400`}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Alt-Svc"] = field
		next.ServeHTTP(w, r)
	})
}
