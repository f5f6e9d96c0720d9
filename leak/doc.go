// Package leak finds keys where they should not be, and acts on those that
// others have found.
//
// A [Scanner] finds keys in any stream of bytes without asking anybody: the check
// digits of a key tell it from what only looks like one. [ScanTree] scans a
// folder. [Rules] writes the same shape down for scanners of others, which cannot
// compute check digits: what they report is sifted by a [Scanner] afterwards.
//
// An [Endpoint] takes reports of keys that were found, from GitHub's secret
// scanning or from whoever shares a secret with it, proves each key before it
// believes the report, and does what its [Action] says.
//
// A key that is written otherwise than as its own text is not found: compressed,
// encoded in base64, in UTF-16, or cut by a line end.
package leak
