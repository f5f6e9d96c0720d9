package attack

// fleet are the cases of area FLEET: many nodes, one truth.
func fleet() []Entry {
	return []Entry{
		{ID: "FLEET-01", Sent: "a thousand revocations under load on three nodes", Must: "after a complete receipt no node admits; within the bound or refused"},
		{ID: "FLEET-02", Sent: "a node that was stopped for ten seconds and goes on", Must: "it reads anew before its first answer, or 503"},
		{ID: "FLEET-03", Sent: "a node that is cut off from its database", Must: "past the bound 503 or a fresh read; it is back soon after"},
		{ID: "FLEET-04", Sent: "a connection for notifications that is lost without a word", Must: "the next poll finds what has changed"},
		{ID: "FLEET-05", Sent: "two transactions that commit in the other order than their revisions", Must: "none is passed over"},
		{ID: "FLEET-06", Sent: "notifications repeated, out of order, or forged", Must: "hints only: the truth is read from the database"},
		{ID: "FLEET-07", Sent: "a database that is restarted, fails, or becomes read-only", Must: "changes are refused in words; nothing acknowledged is lost"},
		{ID: "FLEET-08", Sent: "a store of limits that is killed, emptied or replaced", Must: "limits by their rule; credits are never oversold"},
		{ID: "FLEET-09", Sent: "a node that is dead and still registered", Must: "a revocation waits for the bound at most, and names it"},
		{ID: "FLEET-10", Sent: "restarts one after the other, reloads and upgrades under load", Must: "no request fails"},
		{ID: "FLEET-11", Sent: "nodes whose configuration or peppers differ", Must: "it is found and told; what a node cannot verify is 503, never 401"},
		{ID: "FLEET-12", Sent: "two nodes that migrate at once; an old and a new version together", Must: "one migrates; both work"},
		{ID: "FLEET-13", Sent: "a full disk, a clock that is an hour off", Must: "refused in words; requests go on; nothing comes back to life"},
		{ID: "FLEET-14", Sent: "all nodes started cold with a million keys", Must: "reads of the store stay bounded"},
		{ID: "FLEET-15", Sent: "an old backup that is restored", Must: "revoked keys stay so, or the operator has to say otherwise in words"},
		{ID: "FLEET-16", Sent: "a thousand kills in the middle of writes", Must: "nothing acknowledged is lost; the audit's chain verifies"},
	}
}
