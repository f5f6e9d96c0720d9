// Package h2spec has somebody else judge our HTTP/2: h2spec, whose cases are the
// sections of the standard. What fails, and stays so since it is net/http's, is in
// a list with its reasons; the test also fails when an entry has no reason to be
// there any more.
package h2spec
