// Package oidc runs an OpenID provider that others wrote, zitadel/oidc, inside a
// test: what warder asks providers, it is asked here over HTTPS, by the protocol
// and not by a counterpart of our own making.
//
//	provider := oidc.Start(t, oidc.Config{
//		Clients: []oidc.Client{{ID: "warder", Secret: "s", Redirects: []string{"https://api.example/auth/callback"}}},
//		Users:   []oidc.User{{Name: "ada", Password: "p", Subject: "u-1", Groups: []string{"ops"}}},
//	})
//	provider.Issuer() // https://127.0.0.1:PORT, under a certificate that only CAFile vouches for
//
// The provider keeps users, codes and tokens in memory, and shows a login page with
// a form. Tests can take its keys away from under a running verifier: [Provider.Rotate],
// [Provider.Withdraw], [Provider.HoldKeys], [Provider.Stop].
package oidc
