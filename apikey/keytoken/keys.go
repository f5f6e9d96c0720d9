package keytoken

import (
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/warder-dev/warder/secret"
)

// split divides keys, of which what is around them may be a comment. A block that was
// cut is an error: what it was would be missed when it is needed.
func split(keys secret.Text) (all []secret.Text, err error) {
	if keys.IsZero() {
		return nil, nil
	}
	text := keys.Reveal()
	rest := []byte(text)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		all = append(all, secret.New(string(pem.EncodeToMemory(block))))
	}
	if begun := strings.Count(text, "-----BEGIN "); len(all) == 0 || begun != len(all) {
		return nil, fmt.Errorf("keys: want one PEM block of PKCS #8 for each key; %d begin, %d are whole", begun, len(all))
	}
	return all, nil
}
