// Package tlsconfig gives servers a TLS configuration that is safe as it stands,
// and keeps its certificates fresh.
//
// TLS 1.3 is preferred and 1.2 is the least; of 1.2 there are the suites with
// ephemeral keys and authenticated encryption only (RFC 9325, section 4.2). The
// key exchange is Go's own choice, hybrid post-quantum first. Renegotiation,
// compression and early data do not exist here.
//
// Certificates are files. A [Source] reads them again every few seconds, by
// content, so that a replaced file, a renamed one and a folder that was swapped
// beneath a symbolic link are all seen. A new pair is used when it parses, its
// key matches and it is valid now; otherwise the old one stays and
// [Source.Status] and the log say why. Handshakes are never held up by it.
//
// A connection lives on with what it was made with: a certificate or authority
// that is taken away ends no connection, but no session of it is resumed.
package tlsconfig
