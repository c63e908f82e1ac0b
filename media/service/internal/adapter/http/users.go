package http

import (
	"net/http"
	"time"

	"example.com/shopfront/internal/domain"
)

type userInput struct {
	Email string `json:"email"`
	Name  string `json:"name"`
}

type userOutput struct {
	ID         string    `json:"id"`
	Email      string    `json:"email"`
	Name       string    `json:"name"`
	OpenOrders int       `json:"open_orders"`
	Version    int64     `json:"version"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
}

func toUser(u domain.User) userOutput {
	return userOutput{string(u.ID), u.Email, u.Name, u.OpenOrders, u.Version, u.CreatedAt, u.UpdatedAt}
}

func (a *api) createUser(w http.ResponseWriter, r *http.Request) error {
	var in userInput
	if err := decode(r, &in); err != nil {
		return err
	}
	user, err := a.users.Create(r.Context(), in.Email, in.Name)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/users/"+string(user.ID))
	setVersion(w, user.Version)
	encode(w, http.StatusCreated, toUser(user))
	return nil
}

func (a *api) getUser(w http.ResponseWriter, r *http.Request) error {
	id, err := domain.ParseUserID(r.PathValue("id"))
	if err != nil {
		return err
	}
	user, err := a.users.Get(r.Context(), id)
	if err != nil {
		return err
	}
	setVersion(w, user.Version)
	encode(w, http.StatusOK, toUser(user))
	return nil
}

func (a *api) updateUser(w http.ResponseWriter, r *http.Request) error {
	id, err := domain.ParseUserID(r.PathValue("id"))
	if err != nil {
		return err
	}
	version, err := ifMatch(r)
	if err != nil {
		return err
	}
	var in userInput
	if err := decode(r, &in); err != nil {
		return err
	}
	user, err := a.users.Update(r.Context(), id, version, in.Email, in.Name)
	if err != nil {
		return err
	}
	setVersion(w, user.Version)
	encode(w, http.StatusOK, toUser(user))
	return nil
}

func (a *api) listUsers(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r, domain.ParseUserID)
	if err != nil {
		return err
	}
	users, next, err := a.users.List(r.Context(), page)
	if err != nil {
		return err
	}
	encode(w, http.StatusOK, listOf(users, next, toUser))
	return nil
}
