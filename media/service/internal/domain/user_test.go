package domain_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/shopfront/internal/domain"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	later = noon.Add(time.Hour)
)

// invalidFields returns the fields that a ValidationError names.
func invalidFields(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*domain.ValidationError](err)
	if !ok {
		t.Fatalf("got %v, want a ValidationError", err)
	}
	var fields []string
	for _, f := range e.Fields {
		fields = append(fields, f.Field)
	}
	return fields
}

func TestNewUser(t *testing.T) {
	tests := []struct {
		name, email, userName string
		want                  []string
	}{
		{"valid", "ada@example.com", "Ada", nil},
		{"longest name", "ada@example.com", strings.Repeat("ü", 100), nil},
		{"name too long", "ada@example.com", strings.Repeat("ü", 101), []string{"name"}},
		{"no name", "ada@example.com", " \t", []string{"name"}},
		{"control character", "ada@example.com", "A\x00da", []string{"name"}},
		{"broken UTF-8", "ada@example.com", "A\xffda", []string{"name"}},
		{"no email", "", "Ada", []string{"email"}},
		{"no domain", "ada", "Ada", []string{"email"}},
		{"display name", "Ada <ada@example.com>", "Ada", []string{"email"}},
		{"two addresses", "a@example.com,b@example.com", "Ada", []string{"email"}},
		{"header injection", "ada@example.com\r\nBcc: b@example.com", "Ada", []string{"email"}},
		{"email too long", strings.Repeat("a", 250) + "@example.com", "Ada", []string{"email"}},
		{"everything wrong", "", "", []string{"email", "name"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := domain.NewUser(domain.NewUserID(), tt.email, tt.userName, noon)
			if got := invalidFields(t, err); !slices.Equal(got, tt.want) {
				t.Errorf("invalid fields %v, want %v", got, tt.want)
			}
		})
	}
}

func TestEmailIsNormalised(t *testing.T) {
	u, err := domain.NewUser(domain.NewUserID(), "  Ada@Example.COM ", " Ada ", noon)
	if err != nil {
		t.Fatal(err)
	}
	if u.Email != "ada@example.com" || u.Name != "Ada" {
		t.Errorf("got %q, %q", u.Email, u.Name)
	}
}

func TestChangeKeepsTheUserWhenInvalid(t *testing.T) {
	u, err := domain.NewUser(domain.NewUserID(), "ada@example.com", "Ada", noon)
	if err != nil {
		t.Fatal(err)
	}
	before := u
	if err := u.Change("nonsense", "Ada Lovelace", later); err == nil {
		t.Error("an invalid change was accepted")
	}
	if u != before {
		t.Errorf("the user changed to %+v", u)
	}
}

func TestOpenOrders(t *testing.T) {
	u, err := domain.NewUser(domain.NewUserID(), "ada@example.com", "Ada", noon)
	if err != nil {
		t.Fatal(err)
	}
	for range domain.MaxOpenOrders {
		if err := u.OpenOrder(later); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.OpenOrder(later); !errors.Is(err, domain.ErrOpenOrderLimit) {
		t.Errorf("above the limit: got %v", err)
	}
	u.CloseOrder(later)
	if err := u.OpenOrder(later); err != nil {
		t.Errorf("after one was closed: %v", err)
	}
	if u.UpdatedAt != later {
		t.Errorf("updated at %v", u.UpdatedAt)
	}
}

func TestParseUserID(t *testing.T) {
	id := domain.NewUserID()
	if got, err := domain.ParseUserID(string(id)); err != nil || got != id {
		t.Errorf("got %v, %v", got, err)
	}
	for _, s := range []string{"", "1", strings.ToUpper("0190a000-0000-7000-8000-00000000000a"), "{" + string(id) + "}", "urn:uuid:" + string(id)} {
		if _, err := domain.ParseUserID(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestIDsSortByCreation(t *testing.T) {
	last := domain.NewUserID()
	for range 1000 {
		next := domain.NewUserID()
		if next <= last {
			t.Fatalf("%s came after %s", next, last)
		}
		last = next
	}
}
