// Package jwtauth admits requests by signed tokens (JWT) of an identity
// provider, and guards routes by the roles in them.
package jwtauth

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var (
	// ErrKeyUnknown is a token signed with a key that the provider does not publish.
	ErrKeyUnknown = errors.New("signing key unknown")
	// ErrKeysUnavailable means that nothing can be said about a token now: 503, not 401.
	ErrKeysUnavailable = errors.New("signing keys unavailable")
)

// Principal is who makes a request.
type Principal struct {
	Subject string
	roles   []string
}

// HasRole reports whether the principal has the role.
func (p Principal) HasRole(role string) bool { return slices.Contains(p.roles, role) }

type principalKey struct{} // unexported: only Authenticate can put a Principal there

// PrincipalFrom returns who makes the request. Without one, refuse.
func PrincipalFrom(ctx context.Context) (Principal, bool) {
	p, found := ctx.Value(principalKey{}).(Principal)
	return p, found
}

// AuthenticatorConfig says which tokens are good. All but the last four are required.
type AuthenticatorConfig struct {
	Issuer     string   // exactly as in the tokens
	Audience   string   // this service
	Algorithms []string // of the provider: "RS256", "ES256", "EdDSA"; never one with a shared secret
	// Keys finds the public key for an id and an algorithm, as KeySet.Key does.
	Keys func(ctx context.Context, kid, algorithm string) (crypto.PublicKey, error)

	// RolePath names the members of the token that lead to the list of roles,
	// such as realm_access and roles, or cognito:groups, or scope, which may be
	// one text with spaces (default roles).
	RolePath []string
	Leeway   time.Duration                    // for clocks that differ, at most a minute (default 30*time.Second)
	Now      func() time.Time                 // default time.Now
	OnReject func(r *http.Request, err error) // to log and count; err holds no token
}

// Authenticator verifies tokens. It is safe for concurrent use.
type Authenticator struct {
	cfg    AuthenticatorConfig
	parser *jwt.Parser
}

// NewAuthenticator checks cfg and returns an Authenticator.
func NewAuthenticator(cfg AuthenticatorConfig) (*Authenticator, error) {
	if cfg.Issuer == "" || cfg.Audience == "" || cfg.Keys == nil || len(cfg.Algorithms) == 0 {
		return nil, errors.New("authenticator: issuer, audience, algorithms and keys are required")
	}
	for _, algorithm := range cfg.Algorithms {
		if !slices.Contains([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}, algorithm) {
			return nil, fmt.Errorf("authenticator: %q is no algorithm with a public key", algorithm)
		}
	}
	if cfg.RolePath = slices.Clone(cfg.RolePath); len(cfg.RolePath) == 0 {
		cfg.RolePath = []string{"roles"}
	}
	cfg.Leeway = cmp.Or(cfg.Leeway, 30*time.Second)
	if cfg.Leeway < 0 || cfg.Leeway > time.Minute {
		return nil, errors.New("authenticator: leeway is not between 0 and a minute")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.OnReject == nil {
		cfg.OnReject = func(*http.Request, error) {}
	}
	return &Authenticator{cfg, jwt.NewParser(
		jwt.WithValidMethods(slices.Clone(cfg.Algorithms)), jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(cfg.Leeway), jwt.WithTimeFunc(cfg.Now),
		jwt.WithStrictDecoding(),
	)}, nil
}

// principalClaims are read by exact names: encoding/json alone would take a name
// in any case, and the last of two (RFC 7519, section 4: names are case-sensitive).
type principalClaims struct {
	jwt.RegisteredClaims
	rolePath []string
	roles    []string
}

// UnmarshalJSON implements json.Unmarshaler. Its errors hold nothing of data.
func (c *principalClaims) UnmarshalJSON(data []byte) error {
	members, err := readMembers(data)
	if err != nil {
		return err
	}
	for name := range members {
		for _, known := range []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", c.rolePath[0]} {
			if name != known && strings.EqualFold(name, known) {
				return fmt.Errorf("a claim differs from %s by case alone", known)
			}
		}
	}
	if err := json.Unmarshal(data, &c.RegisteredClaims); err != nil {
		return err
	}
	last := len(c.rolePath) - 1
	for _, name := range c.rolePath[:last] {
		if len(members[name]) == 0 || string(members[name]) == "null" {
			return nil
		}
		if members, err = readMembers(members[name]); err != nil {
			return err
		}
	}
	value, name := members[c.rolePath[last]], c.rolePath[last]
	if len(value) == 0 {
		return nil
	}
	if value[0] == '"' && (name == "scope" || name == "scp") {
		var scopes string
		err := json.Unmarshal(value, &scopes)
		c.roles = strings.Fields(scopes)
		return err
	}
	return json.Unmarshal(value, &c.roles)
}

// readMembers reads a JSON object whose names must differ.
func readMembers(data []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	members := make(map[string]json.RawMessage)
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string) // in an object it is one
		if _, twice := members[name]; twice {
			return nil, errors.New("a name is there twice")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		members[name] = value
	}
	return members, nil
}

// Verify returns the principal of a good token.
func (a *Authenticator) Verify(ctx context.Context, token string) (Principal, error) {
	if len(token) > 8<<10 {
		return Principal{}, jwt.ErrTokenMalformed
	}
	claims := principalClaims{rolePath: a.cfg.RolePath}
	_, err := a.parser.ParseWithClaims(token, &claims, func(token *jwt.Token) (any, error) {
		if token.Header["crit"] != nil { // extensions that must be understood, and are not
			return nil, jwt.ErrTokenUnverifiable
		}
		kid, _ := token.Header["kid"].(string)
		return a.cfg.Keys(ctx, kid, token.Method.Alg())
	})
	if err == nil && claims.Subject == "" {
		err = fmt.Errorf("%w: sub", jwt.ErrTokenRequiredClaimMissing)
	}
	if err != nil {
		return Principal{}, err
	}
	return Principal{claims.Subject, claims.roles}, nil
}

// Authenticate lets requests with a good bearer token through, with their
// Principal in the context. Others get 401, or 503 while keys are unavailable.
func (a *Authenticator) Authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		credentials := r.Header.Values("Authorization")
		if len(credentials) == 0 {
			refuseToken(w, http.StatusUnauthorized, "")
			a.cfg.OnReject(r, errors.New("no token"))
			return
		}
		scheme, token, _ := strings.Cut(credentials[0], " ")
		principal, err := Principal{}, jwt.ErrTokenMalformed
		if len(credentials) == 1 && strings.EqualFold(scheme, "Bearer") {
			principal, err = a.Verify(r.Context(), strings.TrimLeft(token, " "))
		}
		switch {
		case err == nil:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), principalKey{}, principal)))
			return
		case errors.Is(err, ErrKeysUnavailable) || r.Context().Err() != nil:
			w.Header().Set("Retry-After", "5")
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		default:
			refuseToken(w, http.StatusUnauthorized, ` error="invalid_token"`)
		}
		a.cfg.OnReject(r, err)
	})
}

// RequireRole lets principals with one of the roles through; others get 403,
// requests without a principal 401. Without any role it refuses everybody.
func RequireRole(next http.Handler, roles ...string) http.Handler {
	roles = slices.Clone(roles)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		principal, found := PrincipalFrom(r.Context())
		switch {
		case !found:
			refuseToken(w, http.StatusUnauthorized, "")
		case !slices.ContainsFunc(roles, principal.HasRole):
			refuseToken(w, http.StatusForbidden, ` error="insufficient_scope"`)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func refuseToken(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("WWW-Authenticate", "Bearer"+reason)
	http.Error(w, strings.ToLower(http.StatusText(status)), status)
}

// SigningKey is a public key of the provider.
type SigningKey struct {
	ID        string
	Algorithm string // the only one that the key is for; empty: any that fits it
	Key       crypto.PublicKey
}

func (k SigningKey) fits(algorithm string) bool {
	if k.Algorithm != "" && k.Algorithm != algorithm {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return algorithm == "ES256"
		case elliptic.P384():
			return algorithm == "ES384"
		case elliptic.P521():
			return algorithm == "ES512"
		}
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

// KeySetConfig configures a KeySet. All but Fetch have defaults.
type KeySetConfig struct {
	// Fetch gets all keys, as FetchJWKS does.
	Fetch        func(context.Context) ([]SigningKey, error)
	FetchTimeout time.Duration    // default 5*time.Second
	MinInterval  time.Duration    // between fetches, whatever tokens ask for; a tenth after a failure (default 30*time.Second)
	RefreshAfter time.Duration    // a withdrawn key is trusted as long (default 15*time.Minute)
	ExpireAfter  time.Duration    // how long keys are trusted while fetches fail (default 4*time.Hour)
	Now          func() time.Time // default time.Now
}

// KeySet keeps the provider's public keys. It follows their rotation with one
// fetch at a time, made only when a token asks. It is safe for concurrent use.
type KeySet struct {
	cfg KeySetConfig

	mu        sync.Mutex
	keys      []SigningKey // replaced, never changed
	fetchedAt time.Time
	triedAt   time.Time
	err       error // of the last fetch
	fetching  chan struct{}
}

// NewKeySet returns an empty KeySet; the first token fills it.
func NewKeySet(cfg KeySetConfig) (*KeySet, error) {
	cfg.FetchTimeout = cmp.Or(cfg.FetchTimeout, 5*time.Second)
	cfg.MinInterval = cmp.Or(cfg.MinInterval, 30*time.Second)
	cfg.RefreshAfter = cmp.Or(cfg.RefreshAfter, 15*time.Minute)
	cfg.ExpireAfter = cmp.Or(cfg.ExpireAfter, 4*time.Hour)
	if cfg.Fetch == nil || min(cfg.FetchTimeout, cfg.MinInterval) < 0 || cfg.RefreshAfter < cfg.MinInterval || cfg.ExpireAfter < cfg.RefreshAfter {
		return nil, errors.New("key set: needs Fetch, and MinInterval, RefreshAfter, ExpireAfter in rising order")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &KeySet{cfg: cfg, err: errors.New("not fetched yet")}, nil
}

// Key returns the key with that id that fits the algorithm. It waits for a fetch only if it has no key
// to give; one that is due is renewed in the background.
func (s *KeySet) Key(ctx context.Context, kid, algorithm string) (crypto.PublicKey, error) {
	if kid == "" {
		return nil, ErrKeyUnknown
	}
	key, fetching, err := s.lookup(ctx, kid, algorithm, s.cfg.Now())
	if err == nil || fetching == nil {
		return key, err
	}
	select {
	case <-fetching:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrKeysUnavailable, keysEnded(ctx))
	}
	key, _, err = s.lookup(ctx, kid, algorithm, s.cfg.Now())
	return key, err
}

// lookup also returns what to wait for, if a fetch is under way or was due.
func (s *KeySet) lookup(ctx context.Context, kid, algorithm string, now time.Time) (crypto.PublicKey, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := now.Sub(s.fetchedAt)
	at := slices.IndexFunc(s.keys, func(k SigningKey) bool { return k.ID == kid && k.fits(algorithm) })
	found := at >= 0
	var key crypto.PublicKey
	if found {
		key = s.keys[at].Key
	}
	if found && age < s.cfg.RefreshAfter {
		return key, nil, nil
	}
	interval := s.cfg.MinInterval
	if s.err != nil {
		interval /= 10
	}
	if s.fetching == nil && (s.triedAt.IsZero() || now.Sub(s.triedAt) >= interval) {
		s.fetching, s.triedAt = make(chan struct{}), now
		go s.fetch(context.WithoutCancel(ctx), s.fetching) // for all who wait, not for this one
	}
	switch {
	case found && age < s.cfg.ExpireAfter:
		return key, nil, nil
	case s.err != nil || age >= s.cfg.ExpireAfter:
		return nil, s.fetching, fmt.Errorf("%w: %w", ErrKeysUnavailable, cmp.Or(s.err, errors.New("expired")))
	}
	return nil, s.fetching, ErrKeyUnknown
}

func (s *KeySet) fetch(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.FetchTimeout)
	defer cancel()
	var keys []SigningKey
	err := errors.New("fetch did not return") // stands for runtime.Goexit
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("fetch panicked: %v", p)
		}
		now := s.cfg.Now()
		s.mu.Lock()
		defer s.mu.Unlock()
		if err == nil && len(keys) == 0 {
			err = errors.New("no usable key")
		}
		if err == nil {
			s.keys, s.fetchedAt = keys, now
		}
		s.err, s.fetching = err, nil
		close(done)
	}()
	keys, err = s.cfg.Fetch(ctx)
}

// FetchJWKS fetches a JSON Web Key Set (RFC 7517). Keys that cannot verify a
// signature here are left out, each for itself: encryption keys, weak or
// malformed ones, types of tomorrow.
func FetchJWKS(client *http.Client, url string) func(context.Context) ([]SigningKey, error) {
	return func(ctx context.Context) ([]SigningKey, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }() // nothing is lost: it has been read
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("key set answered %s", resp.Status)
		}
		var set struct{ Keys []json.RawMessage }
		if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&set); err != nil {
			return nil, fmt.Errorf("decode key set: %w", err)
		}
		var keys []SigningKey
		for _, text := range set.Keys {
			var k jwk
			if err := json.Unmarshal(text, &k); err != nil || k.Kid == "" || !k.verifies() {
				continue
			}
			if key, err := k.publicKey(); err == nil {
				keys = append(keys, SigningKey{k.Kid, k.Alg, key})
			}
		}
		return keys, nil
	}
}

// keysEnded returns why ctx is done: ctx.Err(), and its cause if that is another.
func keysEnded(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return context.Cause(ctx)
}

type jwk struct {
	Kty, Kid, Use, Alg, Crv, N, E, X, Y string
	Ops                                 []string `json:"key_ops"`
}

func (k jwk) verifies() bool {
	return (k.Use == "" || k.Use == "sig") && (len(k.Ops) == 0 || slices.Contains(k.Ops, "verify"))
}

func (k jwk) publicKey() (crypto.PublicKey, error) {
	decode := func(text string) ([]byte, error) { // some providers pad
		return base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	}
	n, errN := decode(k.N)
	e, errE := decode(k.E)
	x, errX := decode(k.X)
	y, errY := decode(k.Y)
	if err := errors.Join(errN, errE, errX, errY); err != nil {
		return nil, err
	}
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Crv]
	switch {
	case k.Kty == "RSA" && len(e) <= 4:
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		if bits := key.N.BitLen(); bits >= 2048 && bits <= 8192 && key.E >= 3 && key.E%2 == 1 {
			return key, nil
		}
	case k.Kty == "EC" && curve != nil:
		return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	case k.Kty == "OKP" && k.Crv == "Ed25519" && len(x) == ed25519.PublicKeySize:
		return ed25519.PublicKey(x), nil
	}
	return nil, errors.New("unsupported key")
}
