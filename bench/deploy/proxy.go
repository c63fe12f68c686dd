package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// proxy counts the calls that reach an emulator, by service:Operation, and
// makes each take longer.
type proxy struct {
	server *http.Server
	url    string

	mu    sync.Mutex
	calls map[string]int
}

func newProxy(target string, latency time.Duration) (*proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the counting proxy: %w", err)
	}
	p := &proxy{url: "http://" + l.Addr().String(), calls: map[string]int{}}
	pass := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 512},
	}
	p.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.mu.Lock()
		op := operation(r, body)
		p.calls[op]++
		p.mu.Unlock()
		time.Sleep(latency)
		if strings.HasPrefix(op, "support:") {
			refuseSupport(w)
			return
		}
		pass.ServeHTTP(w, r)
	})}
	go func() { _ = p.server.Serve(l) }() // ends with close
	return p, nil
}

// refuseSupport answers as AWS does in an account without a support plan; moto
// doesn't know the service.
func refuseSupport(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"__type":"SubscriptionRequiredException","message":"Amazon Web Services Premium Support Subscription is required to use this service."}`) // the caller may have left
}

func (p *proxy) Calls() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.calls)
}

func (p *proxy) close() error { return p.server.Close() }

// operation names a request: the service by the scope of its signature, the
// operation by the protocol's way to say it.
func operation(r *http.Request, body []byte) string {
	service := "unsigned"
	if _, scope, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		scope, _, _ = strings.Cut(scope, ",")
		if f := strings.Split(scope, "/"); len(f) == 5 {
			service = f[3]
		}
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return service + ":" + target[strings.LastIndexByte(target, '.')+1:]
	}
	if form, err := url.ParseQuery(string(body)); err == nil && form.Get("Action") != "" {
		return service + ":" + form.Get("Action")
	}
	return service + ":" + r.Method + " " + r.URL.Path
}
