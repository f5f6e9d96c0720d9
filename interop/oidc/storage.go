package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// A User is somebody whom the provider knows.
type User struct {
	Name, Password string // to log in with, at the provider
	Subject        string
	Title          string // claim name
	Email          string
	Groups         []string // claim groups, with the scope of that name
}

// A request is a login under way (OpenID Connect Core 1.0, section 3.1.2.1).
type request struct {
	oidc.AuthRequest
	id, subject string
	done        bool
	at          time.Time
}

var _ op.AuthRequest = (*request)(nil)

func (r *request) GetID() string                      { return r.id }
func (*request) GetACR() string                       { return "" }
func (*request) GetAMR() []string                     { return []string{"pwd"} }
func (r *request) GetAudience() []string              { return []string{r.ClientID} }
func (r *request) GetAuthTime() time.Time             { return r.at }
func (r *request) GetClientID() string                { return r.ClientID }
func (r *request) GetNonce() string                   { return r.Nonce }
func (r *request) GetRedirectURI() string             { return r.RedirectURI }
func (r *request) GetScopes() []string                { return r.Scopes }
func (r *request) GetState() string                   { return r.State }
func (r *request) GetSubject() string                 { return r.subject }
func (r *request) Done() bool                         { return r.done }
func (r *request) GetResponseMode() oidc.ResponseMode { return r.ResponseMode }
func (r *request) GetResponseType() oidc.ResponseType { return r.ResponseType }

func (r *request) GetCodeChallenge() *oidc.CodeChallenge {
	if r.CodeChallenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: r.CodeChallenge, Method: r.CodeChallengeMethod}
}

// credentials are a request for a token of a client's own (RFC 6749, section 4.4).
type credentials struct {
	client Client
	scopes []string
}

func (c *credentials) GetSubject() string    { return c.client.ID }
func (c *credentials) GetAudience() []string { return c.client.Audience }
func (c *credentials) GetScopes() []string   { return c.scopes }

// A token is an access token that was given out.
type token struct {
	client, subject  string
	audience, scopes []string
	expires          time.Time
}

// A signingKey is a key pair of the provider.
type signingKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   any
}

func (k *signingKey) ID() string                                  { return k.id }
func (k *signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return k.algorithm }
func (k *signingKey) Key() any                                    { return k.private }

// A publicKey is what of a pair is published.
type publicKey struct{ *signingKey }

func (k publicKey) Algorithm() jose.SignatureAlgorithm { return k.algorithm }
func (publicKey) Use() string                          { return "sig" }

func (k publicKey) Key() any {
	switch private := k.private.(type) {
	case *ecdsa.PrivateKey:
		return private.Public()
	case *rsa.PrivateKey:
		return private.Public()
	default:
		return nil
	}
}

func newSigningKey(algorithm jose.SignatureAlgorithm) (*signingKey, error) {
	k := &signingKey{id: rand.Text(), algorithm: algorithm}
	var err error
	switch algorithm {
	case jose.ES256:
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.RS256:
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = fmt.Errorf("oidc: no keys are made for %s", algorithm)
	}
	return k, err
}

// storage is what the library keeps, in memory.
type storage struct {
	cfg Config

	mu       sync.Mutex // guards what follows
	requests map[string]*request
	codes    map[string]string // to the id of a request
	tokens   map[string]*token
	keys     []*signingKey // published; the last one signs
}

var (
	_ op.Storage                        = (*storage)(nil)
	_ op.ClientCredentialsStorage       = (*storage)(nil)
	_ op.CanSetUserinfoFromRequest      = (*storage)(nil)
	_ op.CanGetPrivateClaimsFromRequest = (*storage)(nil)
)

var (
	errNoRequest = errors.New("there is no such login")
	errNoClient  = errors.New("there is no such client")
	errNoToken   = errors.New("there is no such token")
	errRefused   = errors.New("name or password is wrong")
	errNoRefresh = errors.New("there are no refresh tokens")
)

func newStorage(cfg Config) (*storage, error) {
	key, err := newSigningKey(jose.ES256)
	return &storage{
		cfg: cfg, requests: make(map[string]*request), codes: make(map[string]string), tokens: make(map[string]*token), keys: []*signingKey{key},
	}, err
}

// login marks the login as one of the user, whose password is compared.
func (s *storage) login(id, name, password string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if !ok {
		return errNoRequest
	}
	for _, u := range s.cfg.Users {
		if u.Name == name && subtle.ConstantTimeCompare([]byte(u.Password), []byte(password)) == 1 {
			r.subject, r.done, r.at = u.Subject, true, time.Now()
			return nil
		}
	}
	return errRefused
}

func (s *storage) CreateAuthRequest(_ context.Context, asked *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &request{AuthRequest: *asked, id: rand.Text()}
	s.requests[r.id] = r
	return r, nil
}

func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if !ok {
		return nil, errNoRequest
	}
	return new(*r), nil
}

func (s *storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	id := s.codes[code]
	s.mu.Unlock()
	return s.AuthRequestByID(ctx, id)
}

func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id) // its codes lead nowhere then
	return nil
}

func (s *storage) CreateAccessToken(_ context.Context, asked op.TokenRequest) (string, time.Time, error) {
	t := &token{subject: asked.GetSubject(), audience: asked.GetAudience(), scopes: asked.GetScopes(), expires: time.Now().Add(lifetime)}
	switch r := asked.(type) {
	case *request:
		t.client = r.ClientID
	case *credentials:
		t.client = r.client.ID
	}
	id := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[id] = t
	return id, t.expires, nil
}

func (*storage) CreateAccessAndRefreshTokens(context.Context, op.TokenRequest, string) (access, refresh string, expires time.Time, err error) {
	return "", "", time.Time{}, errNoRefresh
}

func (*storage) TokenRequestByRefreshToken(context.Context, string) (op.RefreshTokenRequest, error) {
	return nil, errNoRefresh
}

func (*storage) GetRefreshTokenInfo(context.Context, string, string) (user, id string, err error) {
	return "", "", op.ErrInvalidRefreshToken
}

func (s *storage) TerminateSession(_ context.Context, subject, client string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, t := range s.tokens {
		if t.subject == subject && t.client == client {
			delete(s.tokens, id)
		}
	}
	return nil
}

func (s *storage) RevokeToken(_ context.Context, id, _, client string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.tokens[id]; ok && t.client != client {
		return oidc.ErrInvalidClient()
	}
	delete(s.tokens, id)
	return nil
}

func (s *storage) SigningKey(context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[len(s.keys)-1], nil
}

func (*storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256, jose.RS256}, nil
}

func (s *storage) KeySet(context.Context) ([]op.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]op.Key, len(s.keys))
	for i, k := range s.keys {
		keys[i] = publicKey{k}
	}
	return keys, nil
}

func (s *storage) client(id string) (Client, error) {
	i := slices.IndexFunc(s.cfg.Clients, func(c Client) bool { return c.ID == id })
	if i < 0 {
		return Client{}, errNoClient
	}
	return s.cfg.Clients[i], nil
}

func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	c, err := s.client(id)
	if err != nil {
		return nil, err
	}
	return registered{c}, nil
}

func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, password string) error {
	c, err := s.client(id)
	if err != nil || subtle.ConstantTimeCompare([]byte(c.Secret), []byte(password)) != 1 {
		return errRefused
	}
	return nil
}

func (s *storage) ClientCredentials(ctx context.Context, id, password string) (op.Client, error) {
	if err := s.AuthorizeClientIDSecret(ctx, id, password); err != nil {
		return nil, err
	}
	return s.GetClientByClientID(ctx, id)
}

func (s *storage) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	c, err := s.client(id)
	return &credentials{c, scopes}, err
}

func (*storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest says in an ID token who the user is.
func (s *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, asked op.IDTokenRequest, scopes []string) error {
	s.describe(info, asked.GetSubject(), scopes)
	return nil
}

func (s *storage) describe(info *oidc.UserInfo, subject string, scopes []string) {
	i := slices.IndexFunc(s.cfg.Users, func(u User) bool { return u.Subject == subject })
	info.Subject = subject
	if i < 0 {
		return
	}
	u := s.cfg.Users[i]
	for _, scope := range scopes {
		switch scope {
		case oidc.ScopeProfile:
			info.Name = u.Title
		case oidc.ScopeEmail:
			info.Email, info.EmailVerified = u.Email, true
		case "groups":
			info.AppendClaims("groups", u.Groups)
		}
	}
}

func (s *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, id, subject, _ string) error {
	t, err := s.token(id)
	if err != nil {
		return err
	}
	s.describe(info, subject, t.scopes)
	return nil
}

func (s *storage) token(id string) (*token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[id]
	if !ok || time.Now().After(t.expires) {
		return nil, errNoToken
	}
	return t, nil
}

// SetIntrospectionFromToken answers what a token is (RFC 7662, section 2.2).
func (s *storage) SetIntrospectionFromToken(_ context.Context, answer *oidc.IntrospectionResponse, id, subject, _ string) error {
	t, err := s.token(id)
	if err != nil {
		return err
	}
	answer.Subject, answer.Scope, answer.ClientID, answer.Audience = subject, t.scopes, t.client, t.audience
	answer.Expiration, answer.TokenType = oidc.FromTime(t.expires), oidc.BearerToken
	return nil
}

func (*storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

// GetPrivateClaimsFromRequest puts the scopes into an access token that is a JWT
// (RFC 9068, section 2.2.3).
func (*storage) GetPrivateClaimsFromRequest(_ context.Context, asked op.TokenRequest, _ []string) (map[string]any, error) {
	return map[string]any{"scope": strings.Join(asked.GetScopes(), " ")}, nil
}

func (*storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errNoClient // no client proves itself by a key
}

func (*storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errNoClient
}

func (*storage) Health(context.Context) error { return nil }
