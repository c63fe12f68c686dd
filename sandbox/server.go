package sandbox

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
)

// maxBody bounds a request; S3's largest single put is far above what anybody
// rehearses.
const maxBody = 256 << 20

// ServeHTTP answers any request of any service.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !s.wait(r, s.opts.Latency) {
		return
	}
	rec := s.serve(r, body)
	if rec != nil && !s.wait(r, rec.delay) {
		return
	}
	if rec == nil { // a fault: the connection breaks
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
		return
	}
	for k, v := range rec.header {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.status)
	_, _ = w.Write(rec.body.Bytes())
}

// reply is an answer in memory, so that no handler waits for a slow client
// with the lock held.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
	wrote  bool
	delay  time.Duration // before it is sent
}

func (r *reply) Header() http.Header { return r.header }

func (r *reply) Write(p []byte) (int, error) {
	r.wrote = true
	return r.body.Write(p)
}

func (r *reply) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
}

// wait lets latency pass; false when the client has gone.
func (s *Sandbox) wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	case <-s.stop:
		return true
	}
}

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("request is larger than %d bytes", maxBody)
	}
	return body, nil
}

// serve answers into memory; nil means that the connection is to be dropped.
func (s *Sandbox) serve(r *http.Request, body []byte) *reply {
	sig, signed := readSignature(r)
	if rec, done := s.serveAside(r, body, sig, signed); done {
		return rec
	}
	svc, known := s.serviceOf(r, sig, signed)
	c := &call{Sandbox: s, Service: svc.name, Region: sig.region, HTTP: r, Body: body}
	aerr := s.read(c, svc, sig, signed) // outside of the lock, as hashing takes long
	if aerr == nil && !known {
		aerr = refuse(svc, unknownOperation, "The sandbox has no service "+sig.service+".")
	}
	s.lock()
	defer s.unlock()
	rec := s.note(c)
	if aerr == nil {
		if c.Account = s.account(c.Who.Account); c.Account == nil { // closed meanwhile
			aerr = refuse(svc, unknownKey, "")
		}
	}
	if aerr == nil {
		m := s.trouble(c, svc)
		if m.drop {
			return nil
		}
		aerr, rec.delay = m.err, m.delay
	}
	if aerr != nil {
		s.log.Debug("refused", "service", svc.name, "op", c.Op, "code", aerr.Code, "message", aerr.Message)
		writeError(rec, svc, aerr, c.ID)
		return rec
	}
	return s.finish(rec, c, svc)
}

// serveAside answers at the addresses that services hand out: of token issuers,
// custom resources, functions, downloads and APIs; done is false for a call of an
// operation.
func (s *Sandbox) serveAside(r *http.Request, body []byte, sig signature, signed bool) (rec *reply, done bool) {
	if !signed && strings.HasPrefix(r.URL.Path, issuerPath) {
		return s.serveIssuer(r, body), true
	}
	if !signed && strings.HasPrefix(r.URL.Path, customPath) {
		return s.serveCustom(r, body), true
	}
	if hosted(r) {
		return s.serveFunctionURL(r, body, sig, signed), true
	}
	if !signed && strings.HasPrefix(r.URL.Path, downloadPath) {
		return s.serveDownload(r), true
	}
	if id, path, ok := apiAddress(r); ok {
		return s.serveAPI(r, body, id, path), true
	}
	return nil, false
}

// serviceOf is the service that a request is for, and whether the sandbox has it:
// if not, at least the protocol is right in which to say so.
func (s *Sandbox) serviceOf(r *http.Request, sig signature, signed bool) (svc service, known bool) {
	svc, known = services[sig.service]
	if sig.service == "apigateway" && strings.HasPrefix(r.URL.Path, "/v2/") { // one endpoint for two services
		svc = services["apigatewayv2"]
	}
	if !signed {
		svc, known = guessService(r), true
	} else if !known {
		s.log.Warn("no such service in the sandbox", "service", sig.service, "path", r.URL.Path)
		svc = service{name: sig.service, protocol: guessService(r).protocol}
	}
	if spokenCBOR(r) && svc.name == "monitoring" {
		svc.protocol = cborProtocol
	}
	return svc, known
}

// read finds out who calls, and what is called with which input; the lock isn't
// held.
func (s *Sandbox) read(c *call, svc service, sig signature, signed bool) *apiError {
	if signed || !s.anonymous(c, svc) {
		if aerr := s.authenticate(c, svc, sig, signed); aerr != nil {
			return aerr
		}
	}
	var aerr *apiError
	if c.Body, aerr = plainBody(c.HTTP, svc, c.Body); aerr != nil {
		return aerr
	}
	return decodeRequest(c, svc)
}

// note gives a call its id, counts it, and begins the reply; the lock is held.
func (s *Sandbox) note(c *call) *reply {
	rec := &reply{header: http.Header{}, status: http.StatusOK}
	c.ID = s.uuid()
	s.endpoint = "http://" + c.HTTP.Host
	if c.HTTP.TLS != nil {
		s.endpoint = "https://" + c.HTTP.Host
	}
	if c.Service == "s3" {
		rec.Header().Set("X-Amz-Request-Id", c.ID)
	}
	if c.Op != "" {
		s.calls[c.Service+":"+c.Op]++
	}
	return rec
}

// finish answers, as often as the operation has to wait for something; nil when
// the client doesn't wait for it.
func (s *Sandbox) finish(rec *reply, c *call, svc service) *reply {
	for s.answer(rec, c, svc); c.pause != nil; s.answer(rec, c, svc) {
		p := c.pause
		c.pause = nil
		s.unlock()
		here := s.await(c.HTTP, p)
		s.lock()
		if !here {
			return nil
		}
		if c.Account = s.account(c.Who.Account); c.Account == nil { // closed meanwhile
			writeError(rec, svc, refuse(svc, unknownKey, ""), c.ID)
			return rec
		}
	}
	return rec
}

// pause is what an operation asks for that has nothing to answer yet: to be
// run again when ready is closed, and at the latest at a time.
type pause struct {
	ready <-chan struct{}
	until time.Time
}

// await lets a pause pass, the lock not held; false when the client has gone.
func (s *Sandbox) await(r *http.Request, p *pause) bool {
	t := time.NewTimer(time.Until(p.until))
	defer t.Stop()
	select {
	case <-p.ready:
	case <-t.C:
	case <-s.stop:
	case <-r.Context().Done():
	}
	return r.Context().Err() == nil // also when there is something meanwhile: it is for who waits
}

// answer runs the operation and encodes what comes of it.
func (s *Sandbox) answer(rec *reply, c *call, svc service) {
	s.st.Changes++
	if svc.protocol == restXML {
		s.serveS3(c, rec)
		return
	}
	op, ok := s.ops[svc.name][c.Op]
	if !ok {
		s.log.Warn("operation isn't implemented", "service", svc.name, "operation", c.Op)
		writeError(rec, svc, c.notImplemented(svc), c.ID)
		return
	}
	out, err := c.survive(op)
	if c.pause != nil {
		return
	}
	if err != nil {
		aerr := asAPIError(svc, err)
		if aerr.Status >= 500 {
			s.log.Error("operation broke", "service", svc.name, "operation", c.Op, "error", err)
		}
		writeError(rec, svc, aerr, c.ID)
		return
	}
	h := rec.Header()
	h.Set("X-Amzn-Requestid", c.ID)
	var text []byte
	switch svc.protocol {
	case queryProtocol:
		h.Set("Content-Type", "text/xml")
		text = encodeQuery(svc, c.Op, out, c.ID)
	case ec2Protocol:
		h.Set("Content-Type", "text/xml;charset=UTF-8")
		text = encodeEC2(svc, c.Op, out, c.ID)
	case jsonProtocol:
		h.Set("Content-Type", svc.jsonType())
		text = encodeJSON(out)
	case restJSON:
		c.writeREST(rec, out)
		return
	case cborProtocol:
		text = sendCBOR(h, out)
	}
	svc.sum(h, text)
	_, _ = rec.Write(text)
}

// survive runs the operation; a mistake of ours breaks one request, not the
// rehearsal of a hundred accounts.
func (c *call) survive(op operation) (out obj, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("panic", "service", c.Service, "operation", c.Op, "panic", r, "stack", string(debug.Stack()))
			out, err = nil, errors.New("the sandbox made a mistake; its log says more")
		}
	}()
	return c.run(op)
}

// notImplemented is how a service refuses an operation that it doesn't have.
func (c *call) notImplemented(svc service) *apiError {
	switch svc.protocol {
	case ec2Protocol:
		return refuse(svc, unknownOperation, "The action "+c.Op+" is not valid for this web service.")
	case queryProtocol:
		return refuse(svc, unknownOperation, "Could not find operation "+c.Op+" for version "+version(svc))
	}
	return refuse(svc, unknownOperation, "The operation "+c.Op+" is not known to "+svc.name+".")
}

func version(svc service) string {
	parts := strings.Split(strings.Trim(svc.namespace, "/"), "/")
	return parts[len(parts)-1]
}

// decodeRequest finds the operation and its input.
func decodeRequest(c *call, svc service) *apiError {
	switch svc.protocol {
	case queryProtocol, ec2Protocol:
		form, err := url.ParseQuery(string(c.Body))
		if err != nil {
			return fail("MalformedInput", "the body isn't a form: %v", err)
		}
		for k, v := range c.HTTP.URL.Query() {
			if _, taken := form[k]; !taken && !strings.HasPrefix(k, "X-Amz-") {
				form[k] = v
			}
		}
		c.Op, c.In = form.Get("Action"), decodeQuery(form)
		if c.Op == "" {
			return fail("MissingAction", "the request holds no Action")
		}
		return checkForm(svc, c.Op, c.In)
	case jsonProtocol:
		target := c.HTTP.Header.Get("X-Amz-Target")
		if target == "" && svc.name == "sqs" {
			return fail("UnsupportedOperation", "The sandbox speaks SQS's JSON protocol, not the query protocol of older SDKs.")
		}
		_, c.Op, _ = strings.Cut(target, ".")
		in, err := decodeJSON(c.Body)
		if err != nil {
			return fail("SerializationException", "%v", err)
		}
		c.In = in
		return checkShapes(svc, c.Op, in)
	case restJSON:
		return decodeREST(c, svc)
	case restXML:
		c.Op, c.In = s3Request(c.HTTP, c.Body)
	case cborProtocol:
		in, err := decodeCBOR(c.Body)
		if err != nil {
			return fail("SerializationException", "%v", err)
		}
		c.Op, c.In = rpcOperation(c.HTTP.URL.Path), in
		return checkShapes(svc, c.Op, in)
	}
	return nil
}

// guessService tells the protocol of a request that carries no credentials.
func guessService(r *http.Request) service {
	target, _, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	for _, svc := range services {
		if target != "" && svc.target == target {
			return svc
		}
	}
	if anonymousOps["sns:"+r.URL.Query().Get("Action")] {
		return services["sns"]
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return services["sts"]
	}
	return services["s3"]
}

// authenticate finds who signed the request, into c.Who, and whether they
// really did. The lock isn't held.
func (s *Sandbox) authenticate(c *call, svc service, sig signature, signed bool) *apiError {
	switch r := c.HTTP; {
	case signed:
	case strings.HasPrefix(r.Header.Get("Authorization"), "AWS ") || r.URL.Query().Has("AWSAccessKeyId"):
		return fail("InvalidRequest", "The authorization mechanism you have provided is not supported. Please use %s.", sigAlgorithm)
	default:
		return refuse(svc, noCredentials, "")
	}
	s.lock()
	id := s.st.Keys[sig.key]
	if id == nil || id.Inactive || id.Token != sig.token || !s.reachable(id.Account, sig.region) {
		s.unlock()
		return refuse(svc, unknownKey, "")
	}
	secret, expires := id.Secret, id.Expires
	s.unlock()
	hash := c.HTTP.Header.Get("X-Amz-Content-Sha256")
	digest := sha256.Sum256(c.Body)
	actual := hex.EncodeToString(digest[:])
	switch {
	case sig.presigned && svc.name == "s3":
		hash = unsigned
	case svc.name != "s3":
		hash = actual
	case len(hash) == 64 && hash != actual:
		return fail("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	case hash == "":
		return fail("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
	}
	if !sig.verify(c.HTTP, secret, hash) {
		return refuse(svc, badSignature, "")
	}
	now := s.now()
	if why := sig.stale(now); why != "" {
		return refuse(svc, staleSignature, why)
	}
	if !expires.IsZero() && now.After(expires) {
		return refuse(svc, expiredToken, "")
	}
	c.Who = id
	return nil
}

// reachable says whether an account's credentials are known in a region: not
// when the account isn't active, nor where it hasn't opted in.
func (s *Sandbox) reachable(account, region string) bool {
	if !s.st.Org.usable(account) {
		return false
	}
	switch s.account(account).regionStatus(region) {
	case "", "DISABLED", "ENABLING":
		return false
	}
	return true
}

// plainBody undoes gzip and S3's aws-chunked framing.
func plainBody(r *http.Request, svc service, body []byte) ([]byte, *apiError) {
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		plain, err := unchunk(body)
		if err != nil {
			return nil, fail("IncompleteBody", "%v", err)
		}
		return plain, nil
	}
	if r.Header.Get("Content-Encoding") != "gzip" || svc.name == "s3" {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fail("SerializationException", "the body isn't gzip: %v", err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxBody))
	if err != nil {
		return nil, fail("SerializationException", "the body isn't gzip: %v", err)
	}
	return plain, nil
}

// unchunk joins the chunks of aws-chunked content; trailers are left out.
func unchunk(body []byte) ([]byte, error) {
	var out []byte
	for {
		line, rest, ok := bytes.Cut(body, []byte("\r\n"))
		if !ok {
			return nil, fmt.Errorf("a chunk has no header")
		}
		size, _, _ := strings.Cut(string(line), ";")
		var n int
		if _, err := fmt.Sscanf(size, "%x", &n); err != nil || n < 0 || n > len(rest) {
			return nil, fmt.Errorf("chunk size %q is wrong", size)
		}
		if n == 0 {
			return out, nil
		}
		out = append(out, rest[:n]...)
		body = bytes.TrimPrefix(rest[n:], []byte("\r\n"))
	}
}
