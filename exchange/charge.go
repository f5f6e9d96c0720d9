package exchange

// A Charge is what usage took for a request. The zero Charge is nothing.
type Charge struct {
	From  any   // usage's own note of where they came from
	Taken int64 // credits that were taken before the request went on
	Cost  int64 // what the request came to, 0 to Taken: the rest goes back in the end
}
