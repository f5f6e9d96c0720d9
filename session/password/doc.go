// Package password logs people in by name and password.
//
// Passwords are stored as argon2id (RFC 9106) in the PHC string format, in a
// [File] or wherever [Users] finds them. A [Checker] compares them: it does the
// same work for a name that nobody has, bounds how many are hashed at once, and
// slows down whoever guesses. A [Handler] turns a good answer into a session; a
// [Basic] scheme takes name and password with each request.
//
//	users, err := password.NewFile(password.FileConfig{Path: "/etc/warder/users"})
//	checker, err := password.New(password.Config{Users: users, Log: log})
//	login, err := password.NewHandler(password.HandlerConfig{Checker: checker, Sessions: sessions})
//	// POST /login username=ada&password=...
//
// # Hashing
//
// The default is OWASP's: 19 MiB, two passes, one lane. A hash takes some 20 ms
// and as much memory as it says, so that no more run at once than [Config.Memory]
// holds; others wait, for a bounded time and in a bounded number, and are then told
// to come back (503). The garbage collector may keep as much again for a moment.
// Passwords of more than 1 KiB are refused unhashed.
//
// A name that nobody has is compared with a hash that nothing equals, under the
// parameters of the configuration. A user whose stored hash has others takes
// another time until the next login, when [Config.Rehash] can renew it.
//
// # Guessing
//
// Failures are counted for each user from each address, for each user, and for
// each address (IPv6: for each /64). Beyond a number the next try has to wait, each
// time twice as long. A try counts as failed when it begins, so that nobody gains
// by trying many at once; while one has to wait, passwords are not looked at and
// nothing is counted.
//
// An address from which a user has logged in before is bound by the first count
// only: others cannot lock somebody out of where they work. One address adds but a
// few to a user's count, so that it takes many addresses to slow down a user's
// logins from new ones; they can, to one try a minute. What was counted is in this
// process's memory, bounded, and ends with it.
//
// # What it does not promise
//
//   - Passwords are compared as bytes: no Unicode normalization (RFC 8265).
//   - Whether a password is a good one, or known from a leak, is not asked.
//   - There is no second factor, registration or recovery here.
//
// Standards: RFC 9106 (argon2), RFC 7617 (Basic), OWASP ASVS 5.0 V6.
package password
