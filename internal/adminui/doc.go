// Package adminui is the admin web page: what people who administer warder see in a
// browser, on the admin listener. Everything is rendered here, nothing is loaded from
// another host, and every page works without JavaScript, but for the one that is fed
// while it is open.
//
// A page is a client of the admin API, within the process: it asks the very handler
// that scripts ask over the network, with the cookie that the browser sent. So who
// may do what, what is fresh enough, what is taken of a form and what the audit says
// of it is decided and written in one place, which is not here. This package knows
// the API by its paths and by the types of package client, and no store of keys.
//
// Each page of a change carries an Idempotency-Key: what a reload sends again is
// answered by the API with what was done before, without the text of a key. That
// text is in the one answer that made it, which no cache keeps.
package adminui
