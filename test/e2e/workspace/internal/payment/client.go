// Package payment calls the payment provider.
package payment

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Client charges customers through the provider's HTTP API.
type Client struct {
	url string
}

// NewClient returns a client of the provider at url.
func NewClient(url string) *Client {
	return &Client{url: url}
}

// Charge takes an amount in cents. It waits for as long as the provider takes.
func (c *Client) Charge(ctx context.Context, cents int) error {
	body, err := json.Marshal(map[string]int{"cents": cents})
	if err != nil {
		return fmt.Errorf("encode charge: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/charges", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("build charge: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("charge: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("charge: provider answered %s", response.Status)
	}
	return nil
}
