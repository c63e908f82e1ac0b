package domain

import (
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// MaxOpenOrders is how many orders of one user may be open at the same time.
const MaxOpenOrders = 20

const (
	maxEmailBytes = 254
	maxNameRunes  = 100
)

// UserID identifies a user. It sorts by creation time.
type UserID string

// NewUserID returns an identifier that was never used before.
func NewUserID() UserID { return UserID(uuid.Must(uuid.NewV7()).String()) }

// ParseUserID checks that s has the form of a user identifier.
func ParseUserID(s string) (UserID, error) {
	id, err := parseID("user_id", s)
	return UserID(id), err
}

// User is a customer. OpenOrders counts the user's orders that are neither
// shipped nor cancelled. Version grows with every stored change.
type User struct {
	ID         UserID
	Email      string
	Name       string
	OpenOrders int
	Version    int64
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// NewUser returns a valid user or a ValidationError.
func NewUser(id UserID, email, name string, now time.Time) (User, error) {
	u := User{ID: id, Version: 1, CreatedAt: now, UpdatedAt: now}
	return u, u.set(email, name)
}

// Change replaces email and name.
func (u *User) Change(email, name string, now time.Time) error {
	if err := u.set(email, name); err != nil {
		return err
	}
	u.UpdatedAt = now
	return nil
}

// OpenOrder counts one more open order, up to MaxOpenOrders.
func (u *User) OpenOrder(now time.Time) error {
	if u.OpenOrders >= MaxOpenOrders {
		return ErrOpenOrderLimit
	}
	u.OpenOrders++
	u.UpdatedAt = now
	return nil
}

// CloseOrder counts one open order less.
func (u *User) CloseOrder(now time.Time) {
	u.OpenOrders = max(0, u.OpenOrders-1)
	u.UpdatedAt = now
}

func (u *User) set(email, name string) error {
	email, name = strings.ToLower(strings.TrimSpace(email)), strings.TrimSpace(name)
	var p problems
	if !validEmail(email) {
		p.add("email", "must be an email address of at most %d bytes", maxEmailBytes)
	}
	if n := utf8.RuneCountInString(name); n == 0 || n > maxNameRunes || !utf8.ValidString(name) || hasControl(name) {
		p.add("name", "must be 1 to %d printable characters", maxNameRunes)
	}
	if err := p.err(); err != nil {
		return err
	}
	u.Email, u.Name = email, name
	return nil
}

func validEmail(s string) bool {
	if len(s) > maxEmailBytes || !utf8.ValidString(s) || hasControl(s) {
		return false
	}
	address, err := mail.ParseAddress(s)
	return err == nil && address.Address == s // refuses "Name <a@b>"
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func parseID(field, s string) (string, error) {
	id, err := uuid.Parse(s)
	if err != nil || id.String() != s { // only the canonical form, so that one thing has one name
		return "", Invalid(field, "must be a UUID in lower-case canonical form")
	}
	return s, nil
}
