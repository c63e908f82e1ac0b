package repository

import "example.com/shopfront/internal/usecase"

func eventIDs(events []usecase.OutboxEntry) []string {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	return ids
}
