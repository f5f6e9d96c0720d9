package audit

// By names who makes a change, and from where: see [Event].
type By struct{ Actor, Source string }

// Kinds of things that entries of this module are about, see [Event.Kind].
const (
	KindKey      = "key"      // an API key, by its id
	KindCredits  = "credits"  // an account of credits: by the id of the key, or "owner:" and the owner
	KindSessions = "sessions" // sessions of somebody: by the issuer, a space and the subject; "*" for everybody's
	KindAccount  = "account"  // somebody who administers, by the id of the account
	KindLimit    = "limit"    // a limit of a node, by its name
	KindDocument = "document" // an OpenAPI document that requests are judged by, by its name
	KindOwner    = "owner"    // the record of whom keys belong to, by the id that keys bear
	KindPortal   = "portal"   // a link to the holders' portal, by its id
)
