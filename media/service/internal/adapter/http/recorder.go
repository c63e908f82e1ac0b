package http

import "net/http"

// recorder remembers the status and the size of an answer.
type recorder struct {
	http.ResponseWriter

	status  int // zero until the answer begins
	bytes   int64
	aborted bool // cut off half-way
}

// record wraps w, unless it is wrapped already.
func record(w http.ResponseWriter) *recorder {
	if rec, ok := w.(*recorder); ok {
		return rec
	}
	return &recorder{ResponseWriter: w}
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK { // 1xx may precede the answer
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// statusCode is the status that the client sees. An answer cut off half-way
// counts as a failure.
func (r *recorder) statusCode() int {
	switch {
	case r.aborted:
		return http.StatusInternalServerError
	case r.status == 0:
		return http.StatusOK
	default:
		return r.status
	}
}

// discard takes an answer of which only the header matters.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}
