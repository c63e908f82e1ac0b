package health

import (
	"encoding/json"
	"net/http"
)

// Routes adds GET /livez, /readyz and /startupz to mux.
func (c *Checker) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]any{"status": OK})
	})
	mux.HandleFunc("GET /startupz", func(w http.ResponseWriter, _ *http.Request) {
		if !c.Started() {
			write(w, http.StatusServiceUnavailable, map[string]any{"status": Failing})
			return
		}
		write(w, http.StatusOK, map[string]any{"status": OK})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		report := c.Ready(r.Context())
		status := http.StatusOK
		if report.State == Failing {
			status = http.StatusServiceUnavailable
		}
		write(w, status, map[string]any{"status": report.State, "checks": report.Checks})
	})
}

func write(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the prober has gone; nobody is left to tell
}
