package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/pprof"
	"strings"
)

// Admin is the handler of the admin port. It has no authentication: bind it where only operators reach it.
//
//	/          a page with links to the others
//	/healthz   200 while no replica has stopped, otherwise 503 and why
//	/readyz    200 when the node takes part and every group has a leader and is applied, otherwise 503 and why
//	/metrics   for Prometheus
//	/status    what the node says of itself, as JSON
//	/debug/pprof/
func (s *Server) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { verdict(w, s.Unhealthy()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { verdict(w, s.Unready()) })
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /status", s.statusPage)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// verdict answers ok, or what is wrong.
func verdict(w http.ResponseWriter, problems []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(problems) == 0 {
		fmt.Fprintln(w, "ok")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, strings.Join(problems, "\n"))
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	if err := s.writeMetrics(r.Context(), &b); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // a scraper that has gone needs no answer
}

func (s *Server) statusPage(w http.ResponseWriter, r *http.Request) {
	b, err := json.MarshalIndent(s.Status(r.Context()), "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n'))
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{.ID}} · LedgerKV</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:70rem}table{border-collapse:collapse}td,th{padding:.2rem .8rem;border:1px solid #bbb;text-align:right}
td:first-child,th:first-child{text-align:left}.bad{color:#a00}</style></head><body>
<h1>{{.ID}}</h1><p>{{.Dir}}, pid {{.PID}}, version {{.Version}}<br>clients {{.Client}}, peers {{.Peer}}</p>
{{range .Problems}}<p class="bad">{{.}}</p>{{end}}
<table><tr><th>group<th>role<th>term<th>leader<th>commit<th>applied<th>synced<th>first<th>last<th>position<th>checksum</tr>
{{range .Groups}}<tr><td>{{.Name}}<td>{{.Role}}<td>{{.Term}}<td>{{.Leader}}<td>{{.Commit}}<td>{{.Applied}}<td>{{.Synced}}<td>{{.First}}<td>{{.Last}}<td>{{.Position}}<td>{{printf "%08x" .Checksum}}</tr>
{{end}}</table>
<p><a href="/healthz">healthz</a> · <a href="/readyz">readyz</a> · <a href="/metrics">metrics</a> · <a href="/status">status</a> · <a href="/debug/pprof/">pprof</a></p>
</body></html>
`))

// page shows the status to people.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	data := struct {
		NodeStatus
		Problems []string
	}{s.Status(r.Context()), s.Unready()}
	var b bytes.Buffer
	if err := page.Execute(&b, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}
