// Package webhook tells other programs what happened: it posts signed events to
// addresses that the operator names, again and again until they were taken.
//
// An event has an id that says what it is about, so that whoever announces it twice,
// or on two nodes, announces it once. Deliveries wait in an [Outbox] and survive a
// restart when that does. A delivery that fails is tried again after 5 s, 30 s,
// 2 min, 10 min, 30 min, 1 h, 3 h, 6 h, 12 h and 24 h, and given up then. Whoever
// receives must expect an event twice, and knows it again by its id.
//
// What is sent is signed as "Standard Webhooks" describes it: the fields webhook-id,
// webhook-timestamp and webhook-signature, the last with "v1," and the base64 of
// HMAC-SHA-256 (RFC 2104) over id, time stamp and body, joined by dots. [Verify] is
// the other end.
//
// Addresses lead nowhere else: https only, no redirect is followed, no private,
// loopback or link-local address is asked, judged after the name was resolved, and
// neither a slow nor a talkative receiver holds more than its time and 64 KiB.
package webhook
