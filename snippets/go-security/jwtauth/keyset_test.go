package jwtauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// provider is an identity provider whose keys are ids only.
type provider struct {
	mu      sync.Mutex
	kids    []string
	err     error
	latency time.Duration
	fetches int
}

func (p *provider) set(err error, kids ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kids, p.err = kids, err
}

func (p *provider) fetch(ctx context.Context) ([]SigningKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetches++
	select {
	case <-time.After(p.latency):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var keys []SigningKey
	for _, kid := range p.kids {
		keys = append(keys, SigningKey{ID: kid, Key: ed25519.PublicKey("key of " + kid)})
	}
	return keys, p.err
}

func newKeys(t *testing.T, fetch func(context.Context) ([]SigningKey, error)) *KeySet {
	t.Helper()
	keys, err := NewKeySet(KeySetConfig{Fetch: fetch})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func wantKey(t *testing.T, keys *KeySet, kid string, want error) {
	t.Helper()
	key, err := keys.Key(t.Context(), kid, "EdDSA")
	if got, _ := key.(ed25519.PublicKey); !errors.Is(err, want) || want == nil && string(got) != "key of "+kid || want != nil && key != nil {
		t.Errorf("key %q = %v, %v, want %v", kid, key, err, want)
	}
}

func wantFetches(t *testing.T, p *provider, want int) {
	t.Helper()
	synctest.Wait()
	if p.fetches != want {
		t.Errorf("%d fetches, want %d", p.fetches, want)
	}
}

func TestJW13_SingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{kids: []string{"k1"}, latency: time.Second}
		keys := newKeys(t, p.fetch)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { wantKey(t, keys, "k1", nil) })
		}
		all.Wait()
		wantFetches(t, p, 1)
		ctx := t.Context()
		if allocs := testing.AllocsPerRun(100, func() { _, _ = keys.Key(ctx, "k1", "EdDSA") }); allocs != 0 {
			t.Errorf("%v allocations for a known key", allocs)
		}
	})
}

func TestJW14_Rotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{kids: []string{"old"}}
		keys := newKeys(t, p.fetch)
		wantKey(t, keys, "old", nil)
		p.set(nil, "old", "new")
		time.Sleep(30 * time.Second) // virtual, as everywhere here
		wantKey(t, keys, "new", nil)
		p.set(nil, "new")
		wantKey(t, keys, "old", nil) // until the next fetch
		time.Sleep(15 * time.Minute)
		wantKey(t, keys, "new", nil) // sets the refresh off
		synctest.Wait()
		wantKey(t, keys, "old", ErrKeyUnknown)
		wantFetches(t, p, 3)
	})
}

func TestJW15_Bounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{kids: []string{"k1"}}
		keys := newKeys(t, p.fetch)
		for i := range 10_000 { // ten a second
			wantKey(t, keys, strconv.Itoa(i)+"-made-up", ErrKeyUnknown)
			time.Sleep(100 * time.Millisecond)
		}
		wantFetches(t, p, 34) // 1,000 s
		wantKey(t, keys, "", ErrKeyUnknown)
		time.Sleep(30 * time.Second)
		wantKey(t, keys, "", ErrKeyUnknown)
		wantFetches(t, p, 34)
	})
	synctest.Test(t, func(t *testing.T) {
		p := &provider{err: errors.New("connection refused")}
		keys := newKeys(t, p.fetch)
		for range 300 { // 30 s
			wantKey(t, keys, "k1", ErrKeysUnavailable)
			time.Sleep(100 * time.Millisecond)
		}
		wantFetches(t, p, 10)
		p.set(nil, "k1")
		wantKey(t, keys, "k1", nil)
	})
}

func TestJW16_Stale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{kids: []string{"k1"}, latency: time.Second}
		keys := newKeys(t, p.fetch)
		wantKey(t, keys, "k1", nil)
		time.Sleep(15 * time.Minute)
		start := time.Now()
		wantKey(t, keys, "k1", nil)
		if took := time.Since(start); took != 0 {
			t.Errorf("waited %v for a refresh", took)
		}
		wantFetches(t, p, 2)
		time.Sleep(time.Minute)
		down := errors.New("connection refused")
		p.set(down)
		for range 239 {
			wantKey(t, keys, "k1", nil)
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Minute)
		wantKey(t, keys, "k1", ErrKeysUnavailable)
		wantKey(t, keys, "k1", down)
		p.set(nil, "k1")
		time.Sleep(3 * time.Second)
		wantKey(t, keys, "k1", nil)
	})
}

func TestJW17_CallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{kids: []string{"k1"}, latency: time.Second}
		keys := newKeys(t, p.fetch)
		gone := errors.New("client closed the connection")
		ctx, cancel := context.WithCancelCause(t.Context())
		first := make(chan error, 1)
		go func() { _, err := keys.Key(ctx, "k1", "EdDSA"); first <- err }()
		synctest.Wait()
		second := make(chan error, 1)
		go func() { _, err := keys.Key(t.Context(), "k1", "EdDSA"); second <- err }()
		synctest.Wait()
		cancel(gone)
		if err := <-first; !errors.Is(err, gone) || !errors.Is(err, context.Canceled) {
			t.Errorf("first: %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("second: %v", err)
		}
		wantFetches(t, p, 1)
	})
}

func TestJW18_BadFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{kids: []string{"k1"}}
		behaviour := []func(context.Context) ([]SigningKey, error){
			func(context.Context) ([]SigningKey, error) { panic("nil client") },
			func(context.Context) ([]SigningKey, error) { runtime.Goexit(); return nil, nil },
			func(ctx context.Context) ([]SigningKey, error) { <-ctx.Done(); return nil, ctx.Err() },
			p.fetch,
		}
		next := 0
		keys := newKeys(t, func(ctx context.Context) ([]SigningKey, error) {
			next++
			return behaviour[next-1](ctx)
		})
		for range 3 {
			start := time.Now()
			wantKey(t, keys, "k1", ErrKeysUnavailable)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("waited %v", took)
			}
			time.Sleep(3 * time.Second)
		}
		wantKey(t, keys, "k1", nil)
	})
}

func TestJW19_Empty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{kids: []string{"k1"}}
		keys := newKeys(t, p.fetch)
		wantKey(t, keys, "k1", nil)
		p.set(nil)
		time.Sleep(15 * time.Minute)
		wantKey(t, keys, "k1", nil)
		synctest.Wait()
		wantKey(t, keys, "k1", nil)
		wantFetches(t, p, 2)
	})
	for name, cfg := range map[string]KeySetConfig{
		"no fetch": {}, "negative": {Fetch: (&provider{}).fetch, FetchTimeout: -1},
		"order": {Fetch: (&provider{}).fetch, MinInterval: time.Hour}, "expiry": {Fetch: (&provider{}).fetch, ExpireAfter: time.Minute},
	} {
		if _, err := NewKeySet(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func rsaJWK(kid string, key *rsa.PublicKey) map[string]any {
	return map[string]any{"kty": "RSA", "kid": kid, "use": "sig", "n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes())}
}

func ecJWK(t *testing.T, kid string, key *ecdsa.PublicKey) map[string]any {
	point, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	half := len(point) / 2
	return map[string]any{"kty": "EC", "kid": kid, "crv": key.Curve.Params().Name, "x": encode(point[1 : half+1]), "y": encode(point[half+1:])}
}

func TestJW20_JWKS(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p256, p521, ed := newECKey(t, elliptic.P256()), newECKey(t, elliptic.P521()), newEdKey(t)
	changed := func(key map[string]any, name string, value any) map[string]any {
		key = maps.Clone(key)
		key[name] = value
		return key
	}
	good := rsaJWK("rsa", &testKey.PublicKey)
	edPublic := encode(ed.Public().(ed25519.PublicKey))
	document := map[string]any{"keys": []any{
		good, ecJWK(t, "p256", &p256.PublicKey), ecJWK(t, "p521", &p521.PublicKey),
		map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": edPublic, "alg": "EdDSA"},
		changed(good, "kid", ""), changed(changed(good, "kid", "enc"), "use", "enc"), changed(changed(good, "kid", "e1"), "e", "AQ"),
		changed(changed(good, "kid", "e-even"), "e", "Ag"), changed(changed(good, "kid", "e-long"), "e", "AQABAQAB"),
		changed(changed(good, "kid", "n-padded"), "n", "AA=="), rsaJWK("weak", &small.PublicKey),
		changed(ecJWK(t, "off-curve", &p256.PublicKey), "y", encode(make([]byte, 32))), changed(ecJWK(t, "other-curve", &p256.PublicKey), "crv", "P-384"),
		changed(ecJWK(t, "no-curve", &p256.PublicKey), "crv", "secp256k1"), map[string]any{"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
		map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "short", "x": "AAAA"}, map[string]any{"kty": "new-kind", "kid": "new"},
		changed(good, "kid", 5), changed(changed(good, "kid", "odd"), "use", []string{"sig"}), "no key at all", nil,
		changed(changed(good, "kid", "ops"), "key_ops", []string{"encrypt"}),
		changed(changed(good, "kid", "padded"), "n", base64.URLEncoding.EncodeToString(testKey.N.Bytes())),
	}}
	status, padding := http.StatusOK, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		body, err := json.Marshal(document)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write([]byte(padding))
		_, _ = w.Write(body)
	}))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	fetch := FetchJWKS(server.Client(), server.URL)
	keys, err := fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, key := range keys {
		got = append(got, key.ID)
	}
	if want := []string{"rsa", "p256", "p521", "ed", "padded"}; !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
	set, err := NewKeySet(KeySetConfig{Fetch: fetch})
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAuthenticator(AuthenticatorConfig{Issuer: issuer, Audience: audience, Algorithms: []string{"RS256", "ES256", "ES512", "EdDSA"}, Keys: set.Key})
	if err != nil {
		t.Fatal(err)
	}
	for kid, signer := range map[string]struct {
		method jwt.SigningMethod
		key    any
	}{
		"rsa": {jwt.SigningMethodRS256, testKey}, "p256": {jwt.SigningMethodES256, p256},
		"p521": {jwt.SigningMethodES512, p521}, "ed": {jwt.SigningMethodEdDSA, ed},
	} {
		token := sign(t, signer.method, signer.key, map[string]any{"kid": kid}, goodClaims(time.Now()))
		if principal, err := a.Verify(t.Context(), token); err != nil || principal.Subject != "ann" {
			t.Errorf("%s: %v", kid, err)
		}
		crossed := sign(t, signer.method, signer.key, map[string]any{"kid": map[bool]string{true: "ed", false: "rsa"}[kid == "rsa"]}, goodClaims(time.Now()))
		if _, err := a.Verify(t.Context(), crossed); err == nil {
			t.Errorf("%s: verified with a key of another kind", kid)
		}
	}
	status = http.StatusInternalServerError
	if _, err := fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("status 500: %v", err)
	}
	status, padding = http.StatusOK, strings.Repeat(" ", 1<<20)
	if _, err := fetch(t.Context()); err == nil {
		t.Error("a document of any size is read")
	}
}

func TestJW21_KeysOfOneID(t *testing.T) {
	p256 := newECKey(t, elliptic.P256())
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set, err := NewKeySet(KeySetConfig{Fetch: func(context.Context) ([]SigningKey, error) {
		return []SigningKey{{"1", "RS512", &other.PublicKey}, {"1", "RS256", &testKey.PublicKey}, {"1", "", &p256.PublicKey}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAuthenticator(AuthenticatorConfig{Issuer: issuer, Audience: audience, Algorithms: []string{"RS256", "RS512", "ES256", "PS256"}, Keys: set.Key})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method jwt.SigningMethod
		key    any
		want   error
	}{
		{jwt.SigningMethodRS256, testKey, nil},
		{jwt.SigningMethodRS512, other, nil},
		{jwt.SigningMethodES256, p256, nil},
		{jwt.SigningMethodRS256, other, jwt.ErrTokenSignatureInvalid}, // that key is for RS512 alone
		{jwt.SigningMethodPS256, testKey, ErrKeyUnknown},
	} {
		token := sign(t, tt.method, tt.key, map[string]any{"kid": "1"}, goodClaims(time.Now()))
		if _, err := a.Verify(t.Context(), token); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.method.Alg(), err, tt.want)
		}
	}
}
