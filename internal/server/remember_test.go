package server_test

import (
	"net/http"
	"testing"
	"time"
)

// TestRemembered: who asks for it at the login has a cookie that outlives the
// browser, where the configuration remembers at all.
func TestRemembered(t *testing.T) {
	for name, tt := range map[string]struct {
		settings string
		body     string
		want     time.Duration // of the cookie; 0: until the browser is closed
	}{
		"asked for":               {", remember: 30d", `{"username": "ada", "password": "correct horse", "remember": true}`, 30 * 24 * time.Hour},
		"not asked for":           {", remember: 30d", `{"username": "ada", "password": "correct horse"}`, 0},
		"asked for where none is": {"", `{"username": "ada", "password": "correct horse", "remember": true}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := withLogin(t, tt.settings)
			w, _ := r.send(t, "POST /auth/login", ownPage+"Content-Type: application/json\r\n", tt.body)
			cookies := w.Cookies()
			if w.StatusCode != http.StatusNoContent || len(cookies) != 1 {
				t.Fatalf("the login: %d, %d cookies", w.StatusCode, len(cookies))
			}
			if got := time.Duration(cookies[0].MaxAge) * time.Second; got > tt.want || got < tt.want-time.Hour {
				t.Errorf("the cookie lasts %v, want %v", got, tt.want)
			}
		})
	}
}
