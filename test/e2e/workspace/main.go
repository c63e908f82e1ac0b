// Command orders takes orders over HTTP and has them paid.
package main

import (
	"errors"
	"log"
	"net/http"
	"os"
	"time"

	"example.com/orders/internal/payment"
)

func main() {
	payments := payment.NewClient(os.Getenv("PAYMENT_URL"))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		if err := payments.Charge(r.Context(), 4200); err != nil {
			log.Print(err)
			http.Error(w, "payment failed", http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
