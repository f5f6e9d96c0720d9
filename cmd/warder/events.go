package main

import (
	"bufio"
	"bytes"
	"io"
)

// maxEventLine is the longest line of a stream of events that is read, in bytes.
const maxEventLine = 1 << 20

// readEvents reads server-sent events, as far as the admin API sends any: name and
// data, a line each. It calls line for each line, and event for each event, whose error
// ends it. nil is the end of the stream.
func readEvents(from io.Reader, line func(), event func(name string, data []byte) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxEventLine)
	var name string
	var data []byte
	for lines.Scan() {
		line()
		switch text := lines.Bytes(); {
		case len(text) == 0:
			if name != "" {
				if err := event(name, data); err != nil {
					return err
				}
			}
			name, data = "", nil
		case bytes.HasPrefix(text, []byte("event: ")):
			name = string(text[len("event: "):])
		case bytes.HasPrefix(text, []byte("data: ")):
			data = bytes.Clone(text[len("data: "):])
		}
	}
	return lines.Err()
}
