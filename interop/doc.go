// Package interop holds the checks of warder against other people's software
// that its users must not pay for: routers, an OpenID provider, a browser. It is
// a module of its own, so that what a check needs is in no user's go.sum.
package interop
