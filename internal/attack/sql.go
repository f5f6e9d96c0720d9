package attack

// sql are the cases of area SQL: injection.
func sql() []Entry {
	return []Entry{
		{ID: "SQL-01", Sent: "texts that end, widen or add a statement, in every place that takes one", Must: "refused, or a text like any other; never 500; every row is left"},
		{ID: "SQL-02", Sent: "an order or a cursor that was changed", Must: "400"},
		{ID: "SQL-03", Sent: "code whose statement is no constant", Must: "a test that reads the code fails, as planted lines show"},
		{ID: "SQL-04", Sent: "what sqlmap and wapiti try", Must: "nothing is found"},
		{ID: "SQL-05", Sent: "a value of another type than the document says, a member too many", Must: "400 for a parameter, 422 for a body that can be read, each naming the field; the upstream sees nothing"},
		{ID: "SQL-06", Sent: "what is no UTF-8, a NUL, 1 MiB", Must: "400, 404 where it names a thing, or 413, 414 and 431 for what is too long; never 500"},
		{ID: "SQL-07", Sent: "%, _ and a backslash to a search", Must: "they are characters"},
		{ID: "SQL-08", Sent: "DROP and other schemas, as the service's own role", Must: "denied"},
		{ID: "SQL-09", Sent: "a stored name with quotes that is used again later", Must: "a text like any other"},
	}
}
