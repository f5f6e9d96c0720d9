package keyservice

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Exchange returns the handler that makes a token from the key. Its request is JSON
// as those of the other commands; its answer has the members of an access token
// response (RFC 6749, section 5.1).
func (h *Holder) Exchange() http.Handler {
	words := func(most int) *huma.Schema {
		return &huma.Schema{Type: huma.TypeArray, MaxItems: new(most), Items: &huma.Schema{Type: huma.TypeString}}
	}
	return answerHolder(h, map[string]*huma.Schema{
		"scopes": words(100), "audience": words(16), "lifetime": {Type: huma.TypeString, MaxLength: new(32), Description: "how long it lasts"},
	}, h.exchange)
}

func (h *Holder) exchange(r *holding) (TokenMade, error) {
	if h.cfg.Tokens == nil {
		return TokenMade{}, errTokensOff()
	}
	var said struct {
		Scopes   []string `json:"scopes"`
		Audience []string `json:"audience"`
		Lifetime string   `json:"lifetime"`
	}
	if err := r.read(&said); err != nil {
		return TokenMade{}, err
	}
	spec, err := tokenSpec(said.Scopes, said.Audience, said.Lifetime)
	if err != nil {
		return TokenMade{}, err
	}
	return makeToken(r.Context(), h.cfg.Store, h.cfg.Tokens, r.principal, spec)
}
