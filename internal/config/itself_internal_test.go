package config

import "testing"

// TestReaches: what may be another program at the same port is not refused.
func TestReaches(t *testing.T) {
	for _, tt := range []struct {
		to, address string
		want        bool
	}{
		{"http://127.0.0.1:8080", "127.0.0.1:8080", true},
		{"http://LOCALHOST:8080/x", "127.0.0.1:8080", true},
		{"http://127.0.0.1:8080", "localhost:8080", true},
		{"http://127.0.0.1:8080", ":8080", true},
		{"http://127.0.0.2:8080", "0.0.0.0:8080", true},
		{"http://[::ffff:127.0.0.1]:8080", "127.0.0.1:8080", true},
		{"http://127.0.0.1:8080", "127.0.0.1:8081", false},
		{"http://127.0.0.1:8080", "127.0.0.1:0", false},
		{"http://[::1]:8080", "127.0.0.1:8080", false},
		{"http://127.0.0.1:8080", "10.0.0.1:8080", false},
		{"http://10.0.0.1:8080", ":8080", false}, // another machine's, perhaps
		{"http://api.example.com:8080", ":8080", false},
		{"http://api.example.com:8080", "api.example.com:8080", false},
		{"http://127.0.0.1:8080", "unix:/run/warder.sock", false},
		{"http://127.0.0.1:8080", "", false},
		{"", "127.0.0.1:8080", false},
		{"http://%", "127.0.0.1:8080", false},
	} {
		if got := reaches(tt.to, tt.address); got != tt.want {
			t.Errorf("%q at %q: %v, want %v", tt.to, tt.address, got, tt.want)
		}
	}
}
