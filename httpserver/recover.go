package httpserver

import "github.com/warder-dev/warder/exchange"

type Recover struct{}

func (r *Recover) Recovered(x *exchange.Exchange, value any, stack []byte) {}
