package portal

import (
	"net/http"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/secret"
)

// reveal is the one answer that shows the text of a key.
func (v *visit) reveal(r *apikey.Record, text secret.Text) {
	v.render(http.StatusOK, title(r), revealPage(r, text.Reveal()))
}
