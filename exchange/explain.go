package exchange

// An Explainer is a stage that can say what its verdict rests on. Explain is called
// after Check, with the same dry exchange, and writes nothing.
type Explainer interface {
	Explain(x *Exchange) []Finding
}

// A Finding is one rule of a stage and what came of it, for the operator: it may
// name what the configuration says and whom the credential proves, never a
// credential.
type Finding struct {
	Rule   string // such as "require office" or "scheme apiKey"
	Result string // such as "holds", "does not hold", "absent"
	Detail string // more; may be empty
}
