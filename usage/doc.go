// Package usage counts credits: how many uses somebody has left, when there are
// more of them, and what a request costs.
//
// A limit protects and may be approximate; a credit is money. So an account is
// changed in one transaction of a [Store], is never negative, and a request whose
// credits cannot be counted is refused with 503.
//
// The way of a request writes nothing all the same: a [Ledger], of which each
// node has one, reserves some credits of an account at a time, requests spend
// them from memory, and what is left over goes back. A reservation grows with the
// rate at which it is spent, and shrinks to what the waiting requests need as an
// account runs low, so that no node sits on another's last credits.
//
// A [Stage] takes the cost of a request from the Ledger; in a Stack it is the
// last to judge, so that what others refuse costs nothing.
package usage
