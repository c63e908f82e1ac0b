package jwtauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Rules; those of the key set, JW-13 to JW-20, are in keyset_test.go.
//
//	JW-1  a good token passes, its principal is in the context
//	JW-2  only the listed algorithms: not none, not HMAC with the public key, not another of the same key; the key is not even asked for
//	JW-3  an expiry is required and enforced, with the leeway and no more
//	JW-4  issuer and audience are required and exact
//	JW-5  a token from the future (nbf, iat) is refused beyond the leeway
//	JW-6  tampered, foreign, malformed, oversized tokens, one without kid or subject, one with crit: refused
//	JW-7  401 with WWW-Authenticate; an error code only if a token was given; exactly one Authorization header
//	JW-8  403 for a known principal without the role, 401 without a principal, nobody passes without a listed role
//	JW-9  nothing but Authenticate puts a principal into the context
//	JW-10 no keys: 503 with Retry-After, not 401
//	JW-11 OnReject gets the reason, matched by errors.Is, without any part of the token
//	JW-12 a configuration that would admit too much is refused
//	JW-13 any number of callers share one fetch
//	JW-14 rotation: a new key is found at once, a withdrawn one is dropped with the next fetch
//	JW-15 unknown kids cause at most one fetch per MinInterval, failed fetches one per tenth of it
//	JW-16 a due refresh makes nobody wait; while fetches fail keys last until ExpireAfter, then 503
//	JW-17 a caller who leaves gets the cause and does not end the fetch of the others
//	JW-18 a fetch that panics, exits or hangs is a failure, and the next one can succeed
//	JW-19 an empty key set does not replace a good one
//	JW-21 keys of one id are told apart by type and algorithm
//	JW-22 claims count under their exact names only: one that differs by case, or is there twice, is refused
//	JW-23 roles are found along RolePath; scope may be one text
//	JW-20 JWKS: RSA, EC and Ed25519 keys verify tokens; weak, malformed, symmetric, encryption keys are left out; size and status checked

const (
	issuer   = "https://login.example.com"
	audience = "orders"
)

var testKey = newRSAKey()

func newRSAKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func goodClaims(now time.Time) jwt.MapClaims {
	return jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": "ann", "roles": []string{"clerk", "auditor"},
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
}

func sign(t testing.TB, method jwt.SigningMethod, key any, header, claims map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	token.Header["kid"] = "k1"
	for name, value := range header {
		if value == nil {
			delete(token.Header, name)
		} else {
			token.Header[name] = value
		}
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

type authTest struct {
	*Authenticator
	now     time.Time
	asked   int
	keysErr error
	reasons []error
}

func newAuthTest(t testing.TB) *authTest {
	t.Helper()
	a := &authTest{now: time.Unix(1_800_000_000, 0)}
	var err error
	a.Authenticator, err = NewAuthenticator(AuthenticatorConfig{
		Issuer: issuer, Audience: audience, Algorithms: []string{"RS256"},
		Keys: func(_ context.Context, kid, _ string) (crypto.PublicKey, error) {
			a.asked++
			if a.keysErr == nil && kid != "k1" {
				return nil, ErrKeyUnknown
			}
			return &testKey.PublicKey, a.keysErr
		},
		Now:      func() time.Time { return a.now },
		OnReject: func(_ *http.Request, err error) { a.reasons = append(a.reasons, err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authTest) get(next http.Handler, credentials ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/orders", nil)
	for _, value := range credentials {
		r.Header.Add("Authorization", value)
	}
	w := httptest.NewRecorder()
	a.Authenticate(next).ServeHTTP(w, r)
	return w
}

func TestJW01_GoodToken(t *testing.T) {
	a := newAuthTest(t)
	token := sign(t, jwt.SigningMethodRS256, testKey, nil, goodClaims(a.now))
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
		var principal Principal
		w := a.get(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			principal, _ = PrincipalFrom(r.Context())
		}), scheme+token)
		if w.Code != 200 || principal.Subject != "ann" || !principal.HasRole("clerk") || principal.HasRole("admin") || principal.HasRole("") {
			t.Errorf("%q: status %d, principal %+v", scheme, w.Code, principal)
		}
	}
}

func TestJW02_Algorithms(t *testing.T) {
	a := newAuthTest(t)
	der, err := x509.MarshalPKIXPublicKey(&testKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"none":  sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, goodClaims(a.now)),
		"HS256": sign(t, jwt.SigningMethodHS256, der, nil, goodClaims(a.now)),
		"RS512": sign(t, jwt.SigningMethodRS512, testKey, nil, goodClaims(a.now)),
		"PS256": sign(t, jwt.SigningMethodPS256, testKey, nil, goodClaims(a.now)),
	} {
		if _, err := a.Verify(t.Context(), token); !errors.Is(err, jwt.ErrTokenSignatureInvalid) && !errors.Is(err, jwt.ErrTokenUnverifiable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a.asked != 0 {
		t.Errorf("the key was asked for %d times", a.asked)
	}
}

func TestJW03_JW04_JW05_JW06_Claims(t *testing.T) {
	a := newAuthTest(t)
	other := newRSAKey()
	at := func(d time.Duration) int64 { return a.now.Add(d).Unix() }
	for name, test := range map[string]struct {
		claims map[string]any // nil deletes
		header map[string]any
		key    *rsa.PrivateKey
		want   error // nil: passes
	}{
		"good":               {},
		"no expiry":          {claims: map[string]any{"exp": nil}, want: jwt.ErrTokenRequiredClaimMissing},
		"expired in leeway":  {claims: map[string]any{"exp": at(-29 * time.Second)}},
		"expired":            {claims: map[string]any{"exp": at(-30 * time.Second)}, want: jwt.ErrTokenExpired},
		"expiry is a string": {claims: map[string]any{"exp": "never"}, want: jwt.ErrTokenMalformed},
		"no issuer":          {claims: map[string]any{"iss": nil}, want: jwt.ErrTokenRequiredClaimMissing},
		"issuer with slash":  {claims: map[string]any{"iss": issuer + "/"}, want: jwt.ErrTokenInvalidIssuer},
		"no audience":        {claims: map[string]any{"aud": nil}, want: jwt.ErrTokenRequiredClaimMissing},
		"empty audience":     {claims: map[string]any{"aud": []string{}}, want: jwt.ErrTokenRequiredClaimMissing},
		"other audience":     {claims: map[string]any{"aud": "billing"}, want: jwt.ErrTokenInvalidAudience},
		"audience prefix":    {claims: map[string]any{"aud": "orders-admin"}, want: jwt.ErrTokenInvalidAudience},
		"one of audiences":   {claims: map[string]any{"aud": []string{"billing", audience}}},
		"nbf in leeway":      {claims: map[string]any{"nbf": at(30 * time.Second)}},
		"not yet":            {claims: map[string]any{"nbf": at(31 * time.Second)}, want: jwt.ErrTokenNotValidYet},
		"issued in future":   {claims: map[string]any{"iat": at(31 * time.Second)}, want: jwt.ErrTokenUsedBeforeIssued},
		"no subject":         {claims: map[string]any{"sub": nil}, want: jwt.ErrTokenRequiredClaimMissing},
		"empty subject":      {claims: map[string]any{"sub": ""}, want: jwt.ErrTokenRequiredClaimMissing},
		"roles are a string": {claims: map[string]any{"roles": "admin"}, want: jwt.ErrTokenMalformed},
		"no roles":           {claims: map[string]any{"roles": nil}},
		"no kid":             {header: map[string]any{"kid": nil}, want: ErrKeyUnknown},
		"kid is a number":    {header: map[string]any{"kid": 1}, want: ErrKeyUnknown},
		"unknown kid":        {header: map[string]any{"kid": "k2"}, want: ErrKeyUnknown},
		"critical extension": {header: map[string]any{"crit": []string{"exp"}}, want: jwt.ErrTokenUnverifiable},
		"key in the header":  {header: map[string]any{"jwk": map[string]any{"kty": "RSA"}}, key: other, want: jwt.ErrTokenSignatureInvalid},
		"signed by another":  {key: other, want: jwt.ErrTokenSignatureInvalid},
		"larger than 8 KiB":  {claims: map[string]any{"x": strings.Repeat("x", 8<<10)}, want: jwt.ErrTokenMalformed},
	} {
		claims := goodClaims(a.now)
		for name, value := range test.claims {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
		key := testKey
		if test.key != nil {
			key = test.key
		}
		principal, err := a.Verify(t.Context(), sign(t, jwt.SigningMethodRS256, key, test.header, claims))
		if !errors.Is(err, test.want) || test.want != nil && principal.Subject != "" {
			t.Errorf("%s: %v, %+v, want %v", name, err, principal, test.want)
		}
	}
}

func TestJW06_Tampered(t *testing.T) {
	a := newAuthTest(t)
	token := sign(t, jwt.SigningMethodRS256, testKey, nil, goodClaims(a.now))
	parts := strings.Split(token, ".")
	richer := goodClaims(a.now)
	richer["roles"] = []string{"admin"}
	foreign := strings.Split(sign(t, jwt.SigningMethodRS256, newRSAKey(), nil, richer), ".")
	for name, text := range map[string]string{
		"empty": "", "words": "not a token", "two parts": parts[0] + "." + parts[1], "four parts": token + ".x", "no signature": parts[0] + "." + parts[1] + ".",
		"payload swapped": parts[0] + "." + foreign[1] + "." + parts[2], "padding": token + "=", "space": token + " ", "not base64": parts[0] + ".$$$." + parts[2],
	} {
		if _, err := a.Verify(t.Context(), text); err == nil {
			t.Errorf("%s: passed", name)
		}
	}
	// The last character of a 256-byte signature has four bits that carry nothing.
	const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	spare := base64URL[strings.IndexByte(base64URL, token[len(token)-1])^1]
	if _, err := a.Verify(t.Context(), token[:len(token)-1]+string(spare)); err == nil {
		t.Error("a second spelling of the signature passed")
	}
	for i := range token {
		if i%97 != 0 { // a sample over all three parts
			continue
		}
		flipped := []byte(token)
		if flipped[i] == 'A' {
			flipped[i] = 'B'
		} else {
			flipped[i] = 'A'
		}
		if _, err := a.Verify(t.Context(), string(flipped)); err == nil {
			t.Errorf("byte %d changed: passed", i)
		}
	}
}

func TestJW07_Challenge(t *testing.T) {
	a := newAuthTest(t)
	good := "Bearer " + sign(t, jwt.SigningMethodRS256, testKey, nil, goodClaims(a.now))
	never := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })
	for name, test := range map[string]struct {
		credentials []string
		challenge   string
	}{
		"nothing":    {nil, "Bearer"},
		"empty":      {[]string{""}, `Bearer error="invalid_token"`},
		"basic":      {[]string{"Basic YTpi"}, `Bearer error="invalid_token"`},
		"no scheme":  {[]string{strings.TrimPrefix(good, "Bearer ")}, `Bearer error="invalid_token"`},
		"bad token":  {[]string{good + "x"}, `Bearer error="invalid_token"`},
		"two tokens": {[]string{good, good}, `Bearer error="invalid_token"`},
	} {
		w := a.get(never, test.credentials...)
		if got := w.Header().Get("WWW-Authenticate"); w.Code != 401 || got != test.challenge || w.Body.String() != "unauthorized\n" {
			t.Errorf("%s: %d, %q, %q", name, w.Code, got, w.Body)
		}
	}
}

func TestJW08_Roles(t *testing.T) {
	a := newAuthTest(t)
	token := "Bearer " + sign(t, jwt.SigningMethodRS256, testKey, nil, goodClaims(a.now))
	done := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for _, test := range []struct {
		roles  []string
		status int
	}{
		{[]string{"clerk"}, 204}, {[]string{"admin", "auditor"}, 204}, {[]string{"admin"}, 403}, {nil, 403}, {[]string{""}, 403}, {[]string{"Clerk"}, 403},
	} {
		w := a.get(RequireRole(done, test.roles...), token)
		if challenge := w.Header().Get("WWW-Authenticate"); w.Code != test.status || test.status == 403 && challenge != `Bearer error="insufficient_scope"` {
			t.Errorf("%q: %d, %q", test.roles, w.Code, challenge)
		}
	}
	w := httptest.NewRecorder()
	RequireRole(done, "clerk").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("without Authenticate: %d", w.Code)
	}
}

func TestJW09_UnexportedKey(t *testing.T) {
	type principalKey struct{} // the same name elsewhere is another type
	ctx := context.WithValue(t.Context(), principalKey{}, Principal{Subject: "mallory"})
	if p, found := PrincipalFrom(ctx); found {
		t.Errorf("foreign principal %+v", p)
	}
	if p, found := PrincipalFrom(t.Context()); found || p.Subject != "" {
		t.Errorf("empty context: %+v, %v", p, found)
	}
}

func TestJW10_KeysUnavailable(t *testing.T) {
	a := newAuthTest(t)
	token := "Bearer " + sign(t, jwt.SigningMethodRS256, testKey, nil, goodClaims(a.now))
	a.keysErr = fmt.Errorf("%w: connection refused", ErrKeysUnavailable)
	w := a.get(http.NotFoundHandler(), token)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("WWW-Authenticate") != "" || strings.Contains(w.Body.String(), "refused") {
		t.Errorf("got %d, %v, %q", w.Code, w.Header(), w.Body)
	}
}

func TestJW11_Reasons(t *testing.T) {
	a := newAuthTest(t)
	claims := goodClaims(a.now)
	claims["exp"] = a.now.Add(-time.Hour).Unix()
	claims["email"] = "ann@example.com"
	expired := sign(t, jwt.SigningMethodRS256, testKey, nil, claims)
	broken := strings.Replace(expired, ".", ".!", 1)
	for _, token := range []string{expired, broken} {
		a.get(http.NotFoundHandler(), "Bearer "+token)
	}
	a.get(http.NotFoundHandler())
	a.get(http.NotFoundHandler(), "Basic "+expired)
	if len(a.reasons) != 4 || !errors.Is(a.reasons[0], jwt.ErrTokenExpired) || !errors.Is(a.reasons[1], jwt.ErrTokenMalformed) {
		t.Fatalf("reasons %v", a.reasons)
	}
	for _, reason := range a.reasons {
		for _, part := range append(strings.Split(expired, "."), "ann", "email") {
			if strings.Contains(reason.Error(), part) {
				t.Errorf("the reason holds a part of the token: %v", reason)
			}
		}
	}
}

func TestJW12_Config(t *testing.T) {
	good := newAuthTest(t).cfg
	for name, change := range map[string]func(*AuthenticatorConfig){
		"issuer": func(c *AuthenticatorConfig) { c.Issuer = "" }, "audience": func(c *AuthenticatorConfig) { c.Audience = "" },
		"keys": func(c *AuthenticatorConfig) { c.Keys = nil }, "no algorithm": func(c *AuthenticatorConfig) { c.Algorithms = nil },
		"none":     func(c *AuthenticatorConfig) { c.Algorithms = []string{"RS256", "none"} },
		"HMAC":     func(c *AuthenticatorConfig) { c.Algorithms = []string{"HS256"} },
		"leeway":   func(c *AuthenticatorConfig) { c.Leeway = time.Hour },
		"negative": func(c *AuthenticatorConfig) { c.Leeway = -1 },
	} {
		cfg := good
		change(&cfg)
		if _, err := NewAuthenticator(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	cfg := good
	cfg.Algorithms = []string{"RS256"}
	a, err := NewAuthenticator(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Algorithms[0] = "RS512"
	if _, err := a.Verify(t.Context(), sign(t, jwt.SigningMethodRS512, testKey, nil, goodClaims(good.Now()))); err == nil {
		t.Error("the list of algorithms can be changed from outside")
	}
}

func newECKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEdKey(t *testing.T) ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func BenchmarkVerify(b *testing.B) {
	a := newAuthTest(b)
	token := sign(b, jwt.SigningMethodRS256, testKey, nil, goodClaims(a.now))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

// signText signs claims as they are written.
func signText(t *testing.T, claims string) string {
	t.Helper()
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"k1"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	signature, err := jwt.SigningMethodRS256.Sign(signed, testKey)
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestJW22_ExactNames(t *testing.T) {
	a := newAuthTest(t)
	const rest = `"iss":"https://login.example.com","exp":1800000060,`
	for name, claims := range map[string]string{
		"Roles after roles":     `"aud":"orders","sub":"ann","roles":["viewer"],"Roles":["admin"]`,
		"long s":                `"aud":"orders","sub":"ann","roles":["viewer"],"role\u017f":["admin"]`,
		"ROLES alone":           `"aud":"orders","sub":"ann","ROLES":["admin"]`,
		"AUD after another aud": `"aud":"billing","sub":"ann","AUD":"orders"`,
		"Sub after sub":         `"aud":"orders","sub":"ann","Sub":"victim"`,
		"sub twice":             `"aud":"orders","sub":"ann","sub":"victim"`,
		"roles twice":           `"aud":"orders","sub":"ann","roles":["viewer"],"roles":["admin"]`,
		"escaped and twice":     `"aud":"orders","sub":"ann","s\u0075b":"victim"`,
		"EXP":                   `"aud":"orders","sub":"ann","EXP":9999999999`,
	} {
		principal, err := a.Verify(t.Context(), signText(t, "{"+rest+claims+"}"))
		if !errors.Is(err, jwt.ErrTokenMalformed) || strings.Contains(err.Error(), "victim") {
			t.Errorf("%s: %+v, %v", name, principal, err)
		}
	}
	if _, err := a.Verify(t.Context(), signText(t, "{"+rest+`"aud":"orders","sub":"ann","Name":"Ann","name":"ann"}`)); err != nil {
		t.Errorf("names that mean nothing here: %v", err)
	}
	for _, claims := range []string{"null", "[]", `"text"`, "{}"} {
		if _, err := a.Verify(t.Context(), signText(t, claims)); err == nil {
			t.Errorf("claims %s are good", claims)
		}
	}
}

func TestJW23_RolePath(t *testing.T) {
	for _, tt := range []struct {
		path   []string
		claims string
		want   bool
		err    error
	}{
		{nil, `"roles":["admin"]`, true, nil},
		{[]string{"realm_access", "roles"}, `"realm_access":{"roles":["admin"]}`, true, nil},
		{[]string{"realm_access", "roles"}, `"roles":["admin"]`, false, nil},
		{[]string{"realm_access", "roles"}, `"realm_access":null`, false, nil},
		{[]string{"realm_access", "roles"}, `"realm_access":["admin"]`, false, jwt.ErrTokenMalformed},
		{[]string{"realm_access", "roles"}, `"realm_access":{"roles":[],"roles":["admin"]}`, false, jwt.ErrTokenMalformed},
		{[]string{"realm_access", "roles"}, `"realm_access":{"Roles":["admin"]}`, false, nil},
		{[]string{"cognito:groups"}, `"cognito:groups":["admin"]`, true, nil},
		{[]string{"https://example.com/roles"}, `"https://example.com/roles":["admin"]`, true, nil},
		{[]string{"scope"}, `"scope":"read admin"`, true, nil},
		{[]string{"scope"}, `"scope":"administrator"`, false, nil},
		{[]string{"scp"}, `"scp":["read","admin"]`, true, nil},
		{nil, `"roles":"admin"`, false, jwt.ErrTokenMalformed},
		{nil, `"roles":null`, false, nil},
	} {
		a := newAuthTest(t)
		cfg := a.cfg
		cfg.RolePath = tt.path
		var err error
		if a.Authenticator, err = NewAuthenticator(cfg); err != nil {
			t.Fatal(err)
		}
		principal, err := a.Verify(t.Context(), signText(t, `{"iss":"https://login.example.com","exp":1800000060,"aud":"orders","sub":"ann",`+tt.claims+"}"))
		if !errors.Is(err, tt.err) || principal.HasRole("admin") != tt.want {
			t.Errorf("%q in %s: admin %v, %v", tt.path, tt.claims, principal.HasRole("admin"), err)
		}
	}
}
