// A handler of net/http that answers one user from memory: the least that the scaffolded service could cost.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"
)

type user struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	Version   int       `json:"version"`
	CreatedAt time.Time `json:"created_at"`
}

func main() {
	users := map[string]user{"1": {ID: "1", Email: "ada@example.com", Name: "Ada", Version: 1, CreatedAt: time.Now()}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/users/{id}", func(w http.ResponseWriter, r *http.Request) {
		found, ok := users[r.PathValue("id")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(found); err != nil {
			log.Print(err)
		}
	})
	log.Fatal(http.ListenAndServe(os.Getenv("HTTP_ADDR"), mux))
}
