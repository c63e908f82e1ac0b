package usecase_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
	"example.com/shopfront/internal/usecase/usecasetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that the test sets.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func createUser(t *testing.T, s *usecase.UserService, email string) domain.User {
	t.Helper()
	u, err := s.Create(t.Context(), email, "Ada")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestCreateAndGetUser(t *testing.T) {
	store, clock := usecasetest.NewStore(), newClock()
	s := usecase.NewUserService(store.Users(), store, clock.now)
	created := createUser(t, s, "ada@example.com")
	got, err := s.Get(t.Context(), created.ID)
	if err != nil || got != created {
		t.Errorf("got %+v, %v; want %+v", got, err, created)
	}
	if got.Version != 1 || got.CreatedAt != clock.t {
		t.Errorf("version %d, created at %v", got.Version, got.CreatedAt)
	}
	if _, err := s.Create(t.Context(), "ada@example.com", "Other"); !errors.Is(err, domain.ErrEmailTaken) {
		t.Errorf("a second user with the address: %v", err)
	}
}

func TestUpdateUser(t *testing.T) {
	store, clock := usecasetest.NewStore(), newClock()
	s := usecase.NewUserService(store.Users(), store, clock.now)
	u := createUser(t, s, "ada@example.com")
	clock.t = clock.t.Add(time.Hour)

	changed, err := s.Update(t.Context(), u.ID, u.Version, "ada@example.org", "Ada Lovelace")
	if err != nil {
		t.Fatal(err)
	}
	if changed.Version != 2 || changed.Name != "Ada Lovelace" || changed.UpdatedAt != clock.t || changed.CreatedAt != u.CreatedAt {
		t.Errorf("got %+v", changed)
	}
	if _, err := s.Update(t.Context(), u.ID, u.Version, "ada@example.net", "Ada"); !errors.Is(err, domain.ErrVersionConflict) {
		t.Errorf("with an old version: %v", err)
	}
	if _, err := s.Update(t.Context(), u.ID, 0, "ada@example.net", "Ada"); err != nil {
		t.Errorf("with any version: %v", err)
	}
	if _, err := s.Update(t.Context(), domain.NewUserID(), 0, "a@example.net", "A"); !errors.Is(err, domain.ErrUserNotFound) {
		t.Errorf("a user that does not exist: %v", err)
	}
}

func TestListUsersPages(t *testing.T) {
	store := usecasetest.NewStore()
	s := usecase.NewUserService(store.Users(), store, newClock().now)
	var want []domain.UserID
	for i := range 5 {
		want = append(want, createUser(t, s, fmt.Sprintf("user%d@example.com", i)).ID)
	}
	var got []domain.UserID
	page := usecase.Page{Limit: 2}
	for pages := 1; ; pages++ {
		users, next, err := s.List(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range users {
			got = append(got, u.ID)
		}
		if next == "" {
			if pages != 3 {
				t.Errorf("%d pages, want 3", pages)
			}
			break
		}
		page.After = next
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, limit := range []int{-1, 101} {
		if _, _, err := s.List(t.Context(), usecase.Page{Limit: limit}); domain.KindOf(err) != domain.KindInvalid {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}
