package adminui

import (
	"strconv"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
	"rsc.io/qr"
)

// quiet is the width of the white edge around a code, in modules: what readers need.
const quiet = 4

// qrCode is a text as a QR code (ISO/IEC 18004), drawn in the page itself: it is asked
// for nowhere. A text that is too long for one has none.
func qrCode(text, label string) g.Node {
	code, err := qr.Encode(text, qr.L) // a screen damages nothing, and fewer modules are read more easily
	if err != nil {
		return nil
	}
	size := strconv.Itoa(code.Size + 2*quiet)
	return g.El("svg", h.Class("qr"), h.Role("img"), h.Aria("label", label), g.Attr("viewBox", "0 0 "+size+" "+size), g.El("path", g.Attr("d", modules(code))))
}

// modules is the path of what is black: each run within a row is a rectangle.
func modules(code *qr.Code) string {
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; {
			run := 0
			for code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				n := strconv.Itoa(run)
				path.WriteString("M" + strconv.Itoa(x+quiet) + " " + strconv.Itoa(y+quiet) + "h" + n + "v1h-" + n + "z")
			}
			x += run + 1
		}
	}
	return path.String()
}
