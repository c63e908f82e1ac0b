package repository

import (
	"context"

	"example.com/shopfront/internal/domain"
)

// memoryTx holds the changes of one transaction until it commits.
type memoryTx struct {
	store    *Memory
	users    map[domain.UserID]domain.User
	orders   map[domain.OrderID]domain.Order
	onCommit []func() // further changes, made with the store locked
}

func (tx *memoryTx) commit() {
	m := tx.store
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, user := range tx.users {
		if old, ok := m.users[id]; ok {
			delete(m.emails, old.Email)
		} else {
			m.sorted = insertSorted(m.sorted, id)
		}
		m.users[id] = user
	}
	for id, user := range tx.users { // after all deletions: two users may swap addresses
		m.emails[user.Email] = id
	}
	for id, order := range tx.orders {
		if _, ok := m.orders[id]; !ok {
			m.byUser[order.UserID] = insertSorted(m.byUser[order.UserID], id)
		}
		m.orders[id] = order
	}
	for _, change := range tx.onCommit {
		change()
	}
}

type memoryTxUsers struct{ tx *memoryTx }

func (r memoryTxUsers) Get(ctx context.Context, id domain.UserID) (domain.User, error) {
	if user, ok := r.tx.users[id]; ok {
		return user, nil
	}
	return memoryUsers{r.tx.store}.Get(ctx, id)
}

func (r memoryTxUsers) Create(_ context.Context, user domain.User) error {
	if r.emailTaken(user) {
		return domain.ErrEmailTaken
	}
	r.tx.users[user.ID] = user
	return nil
}

func (r memoryTxUsers) Update(ctx context.Context, user *domain.User) error {
	stored, err := r.Get(ctx, user.ID)
	if err != nil {
		return err
	}
	if stored.Version != user.Version {
		return domain.ErrVersionConflict
	}
	if r.emailTaken(*user) {
		return domain.ErrEmailTaken
	}
	user.Version++
	r.tx.users[user.ID] = *user
	return nil
}

func (r memoryTxUsers) emailTaken(user domain.User) bool {
	for id, other := range r.tx.users {
		if id != user.ID && other.Email == user.Email {
			return true
		}
	}
	r.tx.store.mu.RLock()
	defer r.tx.store.mu.RUnlock()
	owner, ok := r.tx.store.emails[user.Email]
	if !ok || owner == user.ID {
		return false
	}
	changed, ok := r.tx.users[owner]
	return !ok || changed.Email == user.Email
}

type memoryTxOrders struct{ tx *memoryTx }

func (r memoryTxOrders) Get(ctx context.Context, id domain.OrderID) (domain.Order, error) {
	if order, ok := r.tx.orders[id]; ok {
		return cloneOrder(order), nil
	}
	return memoryOrders{r.tx.store}.Get(ctx, id)
}

func (r memoryTxOrders) Create(ctx context.Context, order domain.Order) error {
	if _, err := memoryTxUsers(r).Get(ctx, order.UserID); err != nil {
		return err
	}
	r.tx.orders[order.ID] = cloneOrder(order)
	return nil
}

func (r memoryTxOrders) Update(ctx context.Context, order *domain.Order) error {
	stored, err := r.Get(ctx, order.ID)
	if err != nil {
		return err
	}
	if stored.Version != order.Version {
		return domain.ErrVersionConflict
	}
	order.Version++
	r.tx.orders[order.ID] = cloneOrder(*order)
	return nil
}
