package browser_test

import (
	"image"
	"image/color"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/warder-dev/warder/interop/browser"
)

// scanned reads the QR code of the open page: what its modules say. Where it is in the
// picture is told, since to find one in a camera's picture is no matter of the page, and
// fails now and then for a reader that looks once.
func scanned(t *testing.T, b *browser.Browser) string {
	t.Helper()
	var drawn string
	b.Eval(`(() => { const svg = document.querySelector("svg.qr"); return svg.getAttribute("viewBox") + "|" + svg.querySelector("path").getAttribute("d"); })()`, &drawn)
	box, path, _ := strings.Cut(drawn, "|")
	size, err := strconv.Atoi(box[strings.LastIndexByte(box, ' ')+1:])
	if err != nil {
		t.Fatalf("the code is %q", drawn)
	}
	const scale = 4 // pixels of a module
	picture := image.NewGray(image.Rect(0, 0, size*scale, size*scale))
	for i := range picture.Pix {
		picture.Pix[i] = 0xff
	}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(path, -1) {
		var n [3]int
		for i := range n {
			n[i], _ = strconv.Atoi(m[i+1])
		}
		for x := n[0] * scale; x < (n[0]+n[2])*scale; x++ {
			for y := n[1] * scale; y < (n[1]+1)*scale; y++ {
				picture.SetGray(x, y, color.Gray{})
			}
		}
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	read, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	if err != nil {
		t.Fatalf("the code cannot be read: %v", err)
	}
	return read.GetText()
}

// phone looks at every screen in a window as wide as a phone's: nothing is wider.
func (o *office) phone(t *testing.T, b *browser.Browser) {
	t.Helper()
	b.Narrow(390)
	defer b.Narrow(0)
	var id string
	b.Open(o.origin + "/ui/keys")
	b.Eval(`document.querySelector(".rows th a").getAttribute("href")`, &id)
	for _, path := range []string{"/ui/keys", "/ui/audit", "/ui/health", "/ui/live", "/ui/people", "/ui/me", "/ui/keys/new", id, id + "/edit"} {
		if page := b.Open(o.origin + path); page.Status != 200 {
			t.Errorf("%s: %d", path, page.Status)
		}
		var wide []string
		b.Eval(`(() => {
			const wide = [...document.querySelectorAll(".scroll:has(> .rows)")].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => "a list of " + e.scrollWidth + " in " + e.clientWidth);
			if (document.documentElement.scrollWidth > 390) wide.push("the page: " + document.documentElement.scrollWidth);
			return wide;
		})()`, &wide)
		if len(wide) > 0 {
			t.Errorf("%s is wider than a phone: %q", path, wide)
		}
	}
}
