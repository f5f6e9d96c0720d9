// Package tlsscan has somebody else judge the gateway's TLS: sslscan and
// testssl.sh, against the program with its defaults.
package tlsscan
