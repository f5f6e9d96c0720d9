package attack

// log are the cases of area LOG: nothing secret anywhere.
func log() []Entry {
	return []Entry{
		{ID: "LOG-01", Sent: "a canary in every place that a client or an upstream can fill", Must: "in no log, error, metric, database or answer of ours"},
		{ID: "LOG-02", Sent: "line breaks, escapes and bidirectional controls in whatever is logged", Must: "one record each, escaped, in JSON and in text"},
		{ID: "LOG-03", Sent: "a secret through every verb, encoder, template, error, panic and reflection", Must: "hidden"},
		{ID: "LOG-04", Sent: "ten thousand random field values", Must: "every line is JSON without repeated members"},
		{ID: "LOG-05", Sent: "a full disk, a stuck pipe, a rotated file under the log", Must: "requests go on; what was dropped is counted and told"},
		{ID: "LOG-06", Sent: "handlers that panic or abort", Must: "a 500 problem and a stack without request data; an abort stays one"},
		{ID: "LOG-07", Sent: "a million random paths, methods, hosts and key ids", Must: "a bounded number of metric series"},
		{ID: "LOG-08", Sent: "request ids and trace headers of the client, long or malformed", Must: "replaced"},
		{ID: "LOG-09", Sent: "errors of drivers and peers that hold a password", Must: "hidden"},
		{ID: "LOG-10", Sent: "printed configuration, version, crash", Must: "secrets are hidden"},
		{ID: "LOG-11", Sent: "a key as an argument of a command", Must: "refused, with a hint to standard input or a file"},
		{ID: "LOG-12", Sent: "a thousand refusals while records are sampled", Must: "the counts are exact"},
	}
}
