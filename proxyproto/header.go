package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// What a header may take, in bytes.
const (
	maxLine    = 107     // of version 1, with its end: the longest that the specification allows
	fixed      = 16      // of version 2, up to and with its length
	maxPayload = 4 << 10 // of version 2, behind that: addresses, and what balancers add, such as a client certificate
)

// The beginnings of the versions. No HTTP request and no TLS record begins so.
const (
	linePrefix = "PROXY "
	signature  = "\r\n\r\n\x00\r\nQUIT\n"
)

var (
	errMissing   = errors.New("proxyproto: the connection does not begin with a PROXY header")
	errTooLong   = errors.New("proxyproto: the PROXY header is too long")
	errMalformed = errors.New("proxyproto: the PROXY header is malformed")
	errChecksum  = errors.New("proxyproto: the checksum of the PROXY header is wrong")
)

// readHeader reads a header from r and returns the source that it names, which is
// invalid when it names none, and what was read behind it: r is read no further
// than it must be, and never after something that cannot be a header.
func readHeader(r io.Reader) (source netip.AddrPort, rest []byte, err error) {
	h := header{from: r, bytes: make([]byte, 0, 2*maxLine)}
	if err := h.fill(1); err != nil {
		return source, nil, err
	}
	beginning := linePrefix
	if h.bytes[0] == signature[0] {
		beginning = signature
	}
	for n := 1; ; n = min(len(h.bytes), len(beginning)) {
		if string(h.bytes[:n]) != beginning[:n] {
			return source, nil, errMissing
		}
		if n == len(beginning) {
			break
		}
		if err := h.fill(n + 1); err != nil {
			return source, nil, err
		}
	}
	if beginning == signature {
		return h.binary()
	}
	return h.line()
}

// header is a header that is being read.
type header struct {
	from  io.Reader
	bytes []byte
}

// fill reads until there are n bytes, and what else comes along and fits. The
// error is [io.EOF] when nothing came at all.
func (h *header) fill(n int) error {
	if cap(h.bytes) < n {
		h.bytes = append(make([]byte, 0, n), h.bytes...)
	}
	for len(h.bytes) < n {
		got, err := h.from.Read(h.bytes[len(h.bytes):cap(h.bytes)])
		h.bytes = h.bytes[:len(h.bytes)+got]
		if err != nil && len(h.bytes) < n {
			if errors.Is(err, io.EOF) && len(h.bytes) == 0 {
				return io.EOF
			}
			if errors.Is(err, io.EOF) {
				return fmt.Errorf("proxyproto: the connection ended within its PROXY header: %w", io.ErrUnexpectedEOF)
			}
			return fmt.Errorf("proxyproto: read the PROXY header: %w", err)
		}
	}
	return nil
}

// line reads version 1: text up to CRLF.
func (h *header) line() (netip.AddrPort, []byte, error) {
	for {
		if end := bytes.IndexByte(h.bytes[:min(len(h.bytes), maxLine)], '\n'); end >= 0 {
			text, whole := bytes.CutSuffix(h.bytes[:end], []byte("\r"))
			if !whole {
				return netip.AddrPort{}, nil, errMalformed
			}
			source, err := parseLine(string(text))
			return source, h.bytes[end+1:], err
		}
		if len(h.bytes) >= maxLine {
			return netip.AddrPort{}, nil, errTooLong
		}
		if err := h.fill(len(h.bytes) + 1); err != nil {
			return netip.AddrPort{}, nil, err
		}
	}
}

// parseLine reads the text of version 1 (section 2.1 of the specification).
func parseLine(text string) (netip.AddrPort, error) {
	words := strings.Split(text, " ")
	if words[1] == "UNKNOWN" { // what follows must be ignored
		return netip.AddrPort{}, nil
	}
	const all = 6 // PROXY, family, source, destination, their ports
	if len(words) != all {
		return netip.AddrPort{}, errMalformed
	}
	source, sourceErr := parseEnd(words[1], words[2], words[4])
	_, destinationErr := parseEnd(words[1], words[3], words[5])
	if sourceErr != nil || destinationErr != nil {
		return netip.AddrPort{}, errMalformed
	}
	return source, nil
}

// parseEnd reads one end of a connection.
func parseEnd(family, address, port string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(address)
	fits := family == "TCP4" && addr.Is4() || family == "TCP6" && addr.Is6() && addr.Zone() == ""
	if err != nil || !fits {
		return netip.AddrPort{}, errMalformed
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != port { // no zeros in front
		return netip.AddrPort{}, errMalformed
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}

// Parts of version 2 (section 2.2 of the specification).
const (
	version2 = 2 << 4
	local    = 0 // command: the balancer itself, such as its health check
	proxy    = 1 // command: for somebody else

	unspecified = 0x00 // families, with the transport
	tcp4        = 0x11
	tcp6        = 0x21
	unix        = 0x31

	checksum = 0x03 // type of an extension: CRC-32C of the whole header
)

// binary reads version 2.
func (h *header) binary() (netip.AddrPort, []byte, error) {
	if err := h.fill(fixed); err != nil {
		return netip.AddrPort{}, nil, err
	}
	length := int(binary.BigEndian.Uint16(h.bytes[14:]))
	if length > maxPayload {
		return netip.AddrPort{}, nil, errTooLong
	}
	if err := h.fill(fixed + length); err != nil {
		return netip.AddrPort{}, nil, err
	}
	source, err := parseBinary(h.bytes[:fixed+length])
	return source, h.bytes[fixed+length:], err
}

// parseBinary reads a whole header of version 2. It changes all.
func parseBinary(all []byte) (netip.AddrPort, error) {
	switch all[12] {
	case version2 | local: // what it holds must be ignored
		return netip.AddrPort{}, nil
	case version2 | proxy:
	default:
		return netip.AddrPort{}, errMalformed
	}
	payload := all[fixed:]
	var source netip.AddrPort
	var addresses int // bytes: two addresses, and two ports but for Unix
	switch all[13] {
	case unspecified:
	case tcp4:
		addresses = 2*4 + 2*2
	case tcp6:
		addresses = 2*16 + 2*2
	case unix:
		addresses = 2 * 108
	default:
		return source, errMalformed
	}
	if len(payload) < addresses {
		return source, errMalformed
	}
	if all[13] == tcp4 || all[13] == tcp6 {
		size := (addresses - 2*2) / 2
		addr, _ := netip.AddrFromSlice(payload[:size])
		source = netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(payload[2*size:]))
	}
	return source, checkExtensions(all, payload[addresses:])
}

// checkExtensions goes over what follows the addresses: each a type, a length and
// a value. All are skipped but the checksum, which must fit when it is there.
func checkExtensions(all, rest []byte) error {
	const head = 3
	var sum []byte
	for len(rest) > 0 {
		if len(rest) < head {
			return errMalformed
		}
		kind, end := rest[0], head+int(binary.BigEndian.Uint16(rest[1:]))
		if len(rest) < end {
			return errMalformed
		}
		if kind == checksum {
			if sum != nil || end != head+crc32.Size {
				return errMalformed
			}
			sum = rest[head:end]
		}
		rest = rest[end:]
	}
	if sum == nil {
		return nil
	}
	want := binary.BigEndian.Uint32(sum)
	clear(sum) // as it was when it was computed
	if crc32.Checksum(all, crc32.MakeTable(crc32.Castagnoli)) != want {
		return errChecksum
	}
	return nil
}
