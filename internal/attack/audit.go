package attack

// audit are the cases of area AUDIT: the log of what was changed.
func audit() []Entry {
	return []Entry{
		{ID: "AUDIT-01", Sent: "each change, by each way in", Must: "exactly one entry, in the change's own transaction; when it cannot be written, no change"},
		{ID: "AUDIT-02", Sent: "an entry changed, removed, moved, put in", Must: "the first broken one is named"},
		{ID: "AUDIT-03", Sent: "the end of the log cut", Must: "found by a signed checkpoint that was kept elsewhere"},
		{ID: "AUDIT-04", Sent: "32 writers, two processes, kill -9", Must: "one chain without a gap; what was acknowledged is in it"},
		{ID: "AUDIT-05", Sent: "states with secrets, peppers, passwords", Must: "hidden"},
		{ID: "AUDIT-06", Sent: "an export", Must: "verified offline, by the tool and by a short script of another language"},
		{ID: "AUDIT-07", Sent: "1,000,000 refused attempts", Must: "counted in a bounded number of rows, none of them in the log"},
		{ID: "AUDIT-08", Sent: "a clock that is set back", Must: "the order is that of the sequence"},
	}
}
