package repository

import "example.com/shopfront/internal/domain"

func eventIDs(events []domain.OrderEvent) []string {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	return ids
}
