// Package account keeps the people and machines that administer warder: their
// roles, passwords, second factors and keys.
//
//	people, err := account.New(account.Config{Store: store, Hash: hash, Sealer: peppers})
//	ada, link, err := people.Create(ctx, actor, account.Spec{Name: "ada", Role: account.Admin}, account.Link{Anywhere: true})
//	// ada opens the link:
//	offer, err := people.Offer(ctx, link, from)
//	_, codes, err := people.Finish(ctx, link, from, account.Finish{Password: password, Offer: offer.Sealed, Code: code})
//
// How a request proves one of them is in account/login: sessions, admin keys, and
// the handlers for logging in.
//
// # Roles
//
// An owner may do everything. An admin may do everything but manage owners and
// other admins. A developer works with the keys of the API. An auditor reads. See
// [Role.May] and [Role.Manages], which are the whole of it. Nobody raises its own
// role, and an admin key manages neither people nor keys like itself.
//
// The last standing owner is neither removed, disabled nor lowered: the store
// judges that inside of the transaction, so that two owners who remove each other
// at once leave one. Standing means: not disabled, and set up once.
//
// # Getting in
//
// Nobody gives anybody a password. [Manager.Create], [Manager.Reset] and
// [Manager.FirstOwner] make a link: 130 bits of crypto/rand, of which the SHA-256 is
// kept, good once, for an hour, and from the address only that it was made for
// unless it is made for all. Whoever has it sets the password, and the second factor
// where the role requires one: owners and admins.
//
// # The second factor
//
// The codes are those of RFC 6238 with SHA-1, 30 seconds and 6 digits, which is
// what authenticators know. A code is accepted one step early or late, and once:
// the step of the last code is part of the record, so that of two requests with one
// code one is refused. The shared secret is sealed at rest by a [Sealer]; it is in
// the open in the answer to [Manager.Offer] alone. Ten recovery codes of 80 bits
// take its place, each once; their digests are kept. Whoever calls [Manager.Prove]
// bounds how often it is tried, as account/login does.
//
// # Changes
//
// Each change is one transaction of the [Store], with who made it and from where.
// Whatever makes old proofs worthless (a password, a factor, being disabled) also
// raises [Account.Epoch]: sessions of another epoch are refused, wherever they are
// kept.
//
// # What it does not promise
//
//   - A password has 12 characters at least, and does not hold the name of its
//     account; whether it is known or leaked is for [Config.Known] to say.
//   - Whoever may write the database is an owner: that is what the command line
//     is for.
//
// Standards: RFC 6238 and RFC 4226 (one-time passwords), RFC 4648 (base32), OWASP
// ASVS 5.0 V6 (authentication) and V8 (authorization).
package account
