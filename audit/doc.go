// Package audit is the log of what was changed, by whom and from where: a chain
// of entries that can only grow. Each entry holds the hash of the one before it,
// so that an entry that was changed, removed, moved or put in is found, and the
// first such one named. A chain whose end was cut is whole in itself: that is
// found by a [Checkpoint], which says, signed, how long the chain was.
//
// Whoever may write to the database can write a chain of their own; what they
// cannot do without the signing key is make one that agrees with a checkpoint
// that was kept elsewhere. Entries between the last checkpoint that left the
// machine and the end of the chain are as safe as the database.
//
// Stores write an entry in the transaction of the change that it tells of. The
// order of entries is that of [Entry.Seq], whatever the clock said.
//
// # The hash of an entry
//
// Entry.Hash is SHA-256 over eleven fields in this order, each preceded by its
// length in bytes as an unsigned integer of 8 bytes, most significant first:
//
//  1. the text "warder audit 1"
//  2. Prev, the 32 bytes of the hash before; zeros in the first entry
//  3. Seq, decimal; the first is 1
//  4. At, decimal microseconds since 1970 in UTC
//  5. Actor
//  6. Source
//  7. Op
//  8. Kind
//  9. Subject
//  10. Before, as the text that is stored; empty for none
//  11. After, the same
//
// Texts are UTF-8. An export holds Before and After as the same text, in a JSON
// string: whoever parses and writes them again may change them.
//
// # The signature of a checkpoint
//
// Checkpoint.Signature is Ed25519 (RFC 8032, section 5.1) over fields in the same
// form: the text "warder audit checkpoint 1", Seq, the 32 bytes of Hash, At and
// Node.
package audit
