// Package portallink is what lets the holder of keys into the portal: a link that is
// good once, and the session that it is exchanged for. Both are one [Pass], so that a
// link cannot be used twice: whoever turns it into a session takes it away.
//
// A pass belongs to one owner, and says what may be done there. It is made by somebody
// who administers, and never widens: what its session does is bounded by what it says,
// and by what holds for every key.
package portallink
