package sandbox

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// lambdas are the processes of functions: which run, which wait for the next
// invocation, and the packages unpacked for them. The sandbox's lock guards it,
// but for folders, which have one of their own, as unpacking takes long.
type lambdas struct {
	active map[string]int              // invocations by function ARN, and by account and region
	idle   map[string][]*lambdaProcess // by version
	all    map[*lambdaProcess]bool
	// downloads are the packages that links were given for, by token.
	downloads map[string][]byte

	slots   chan struct{} // invocations that may run at once on this machine
	mu      sync.Mutex
	dir     string            // "" until it is needed
	folders map[string]string // of unpacked packages, by digest
	engines map[string]string // paths of python3 and node
}

const (
	// maxProcesses bounds the invocations that run at once: further ones wait.
	maxProcesses = 32
	// maxIdle bounds the processes that wait for their next invocation, and
	// idleTime how long they do.
	maxIdle  = 16
	idleTime = 2 * time.Minute
	// sessionTime is how long a process's credentials last; it isn't used to
	// their end.
	sessionTime = 6 * time.Hour
	// startTime is how long a function may take until it asks for an event.
	startTime = 10 * time.Second
)

func newLambdas() *lambdas {
	return &lambdas{active: map[string]int{}, idle: map[string][]*lambdaProcess{}, all: map[*lambdaProcess]bool{},
		slots: make(chan struct{}, maxProcesses), folders: map[string]string{}, engines: map[string]string{}}
}

// lambdaRun is an invocation under way. result and err are set when done is closed.
type lambdaRun struct {
	id      string
	arn     string // as it was invoked
	context string // of the client, in base64
	payload []byte
	f       *lambdaFunction
	v       functionVersion // as it was when the run began
	done    chan struct{}
	result  invocationResult
	err     error
}

func (r *lambdaRun) key() string { return r.f.arn() + ":" + r.v.Version + "@" + r.v.Revision }

// startLambda begins an invocation, or refuses it: no such version, not ready,
// no runtime for it here, too many at once.
// id is the request's, the same for every attempt of an event.
func (s *Sandbox) startLambda(f *lambdaFunction, r functionRef, id string, payload []byte, context string) (*lambdaRun, error) {
	if f.version(r.Qualifier) == nil {
		return nil, noFunction(r)
	}
	c := &call{Sandbox: s, Service: "lambda", Region: f.Region, Account: s.account(f.Owner), In: params{}}
	v := c.chosen(f, r.Qualifier)
	if s.now().Before(v.Pending) {
		return nil, v.ready(s.now(), f)
	}
	if lambdaRuntimes[v.Runtime] == "" {
		return nil, &apiError{Status: 502, Code: "InvalidRuntimeException",
			Message: "The sandbox has nothing to run " + v.Runtime + " with: it runs provided.al2, provided.al2023, python3.* and nodejs*."}
	}
	if err := c.mayRunNow(f); err != nil {
		return nil, err
	}
	run := &lambdaRun{id: id, arn: r.arn(), context: context, payload: payload, f: f, v: *v, done: make(chan struct{})}
	shared := f.Owner + "/" + f.Region
	s.lambdas.active[f.arn()]++
	s.lambdas.active[shared]++
	s.done.Go(func() {
		result, err := s.execute(run)
		s.lock()
		defer s.unlock()
		for _, k := range []string{f.arn(), shared} {
			if s.lambdas.active[k]--; s.lambdas.active[k] == 0 {
				delete(s.lambdas.active, k)
			}
		}
		run.result, run.err = result, err
		close(run.done)
	})
	return run, nil
}

// mayRunNow refuses an invocation beyond the function's reserved concurrency,
// or beyond what the account's functions share.
func (c *call) mayRunNow(f *lambdaFunction) error {
	reason := ""
	if f.Reserved != nil {
		if c.lambdas.active[f.arn()] >= *f.Reserved {
			reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
		}
	} else {
		busy := c.lambdas.active[f.Owner+"/"+f.Region]
		for _, o := range c.here().Lambda.Functions {
			if o.Reserved != nil {
				busy -= c.lambdas.active[o.arn()]
			}
		}
		if busy >= c.unreserved() {
			reason = "ConcurrentInvocationLimitExceeded"
		}
	}
	if reason == "" {
		return nil
	}
	return &apiError{Status: 429, Code: "TooManyRequestsException", Message: "Rate Exceeded.", Extra: obj{"Reason": reason}}
}

// execute runs an invocation in a process that waits for one, or in a new one.
func (s *Sandbox) execute(run *lambdaRun) (invocationResult, error) {
	select {
	case s.lambdas.slots <- struct{}{}:
		defer func() { <-s.lambdas.slots }()
	case <-s.stop:
		return invocationResult{}, errStopping()
	}
	p, err := s.process(run)
	if err != nil {
		return invocationResult{}, err
	}
	result, alive := p.invoke(run, s.stop)
	s.keepProcess(run.key(), p, alive)
	return result, nil
}

func errStopping() error {
	return &apiError{Status: 500, Code: "ServiceException", Message: "The sandbox is being stopped."}
}

// process takes a waiting process for the version, or starts one.
func (s *Sandbox) process(run *lambdaRun) (*lambdaProcess, error) {
	s.lock()
	waiting := s.lambdas.idle[run.key()]
	if n := len(waiting); n > 0 {
		p := waiting[n-1]
		s.lambdas.idle[run.key()] = waiting[:n-1]
		fresh := p.timer.Stop() && s.now().Before(p.until) && s.endpoint == p.endpoint && !p.dead()
		s.unlock()
		if fresh {
			return p, nil
		}
		s.endProcess(p)
		return s.process(run)
	}
	spec, err := s.specify(run)
	s.unlock()
	if err != nil {
		return nil, err
	}
	if err := s.prepare(spec, run); err != nil {
		return nil, err
	}
	p, err := startProcess(spec, s.log)
	if err != nil {
		return nil, &apiError{Status: 502, Code: "InvalidRuntimeException", Message: "The sandbox can't start the function: " + err.Error()}
	}
	s.lock()
	closed := s.closed
	s.lambdas.all[p] = true
	s.unlock()
	if closed {
		s.endProcess(p)
		return nil, errStopping()
	}
	return p, nil
}

// keepProcess lets a process wait for its next invocation, or ends it.
func (s *Sandbox) keepProcess(key string, p *lambdaProcess, alive bool) {
	s.lock()
	waiting := 0
	for _, list := range s.lambdas.idle {
		waiting += len(list)
	}
	if alive = alive && !s.closed && !p.retired && waiting < maxIdle; alive {
		p.timer = time.AfterFunc(idleTime, func() { s.dismiss(key, p) })
		s.lambdas.idle[key] = append(s.lambdas.idle[key], p)
	}
	s.unlock()
	if !alive {
		s.endProcess(p)
	}
}

// dismiss ends a process that nobody has asked for in a while.
func (s *Sandbox) dismiss(key string, p *lambdaProcess) {
	s.lock()
	list, found := s.lambdas.idle[key], false
	for i, o := range list {
		if o == p {
			s.lambdas.idle[key], found = append(list[:i:i], list[i+1:]...), true
			break
		}
	}
	s.unlock()
	if found {
		s.endProcess(p)
	}
}

func (s *Sandbox) endProcess(p *lambdaProcess) {
	p.end()
	s.lock()
	delete(s.lambdas.all, p)
	s.unlock()
}

// retire ends the waiting processes of a version ("" for all of the function),
// and those that run after their invocation.
func (s *Sandbox) retire(f *lambdaFunction, version string) {
	prefix := f.arn() + ":"
	if version != "" {
		prefix += version + "@"
	}
	for p := range s.lambdas.all {
		p.retired = p.retired || strings.HasPrefix(p.key, prefix)
	}
	for key, list := range s.lambdas.idle {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		delete(s.lambdas.idle, key)
		for _, p := range list {
			p.timer.Stop()
			s.done.Go(func() { s.endProcess(p) })
		}
	}
}

// endLambdas ends all processes and removes what was unpacked. The lock isn't
// held, and nothing is started any more.
func (s *Sandbox) endLambdas() error {
	s.lock()
	all := maps.Clone(s.lambdas.all)
	s.unlock()
	for p := range all {
		s.endProcess(p)
	}
	s.lambdas.mu.Lock()
	defer s.lambdas.mu.Unlock()
	if s.lambdas.dir == "" {
		return nil
	}
	return os.RemoveAll(s.lambdas.dir)
}

// specify is what a process for the run needs, but for its folders: the lock is
// held.
func (s *Sandbox) specify(run *lambdaRun) (*processSpec, error) {
	f, v := run.f, &run.v
	as, err := s.asFunction(v.Role, f.Name, "lambda", f.Region)
	if err != nil {
		return nil, err
	}
	id := *as.Who
	id.Secret, id.Token, id.Created = s.id(40), "IQoJb3JpZ2luX2Vj"+s.id(64), s.now()
	id.Expires = s.now().Add(sessionTime).Truncate(time.Second)
	access := s.key("ASIA", 20)
	s.keep(access, &id)
	stream := s.now().Format("2006/01/02") + "/[" + v.Version + "]" + s.id(32)
	group := v.LogGroup
	if group == "" {
		group = "/aws/lambda/" + f.Name
	}
	spec := &processSpec{key: run.key(), runtime: v.Runtime, timeout: time.Duration(v.Timeout) * time.Second, memory: v.Memory,
		until: s.now().Add(sessionTime - 30*time.Minute), endpoint: s.endpoint, code: v.Code, env: map[string]string{
			"_HANDLER": v.Handler, "AWS_REGION": f.Region, "AWS_DEFAULT_REGION": f.Region, "AWS_ENDPOINT_URL": s.endpoint,
			"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": id.Secret, "AWS_SESSION_TOKEN": id.Token,
			"AWS_LAMBDA_FUNCTION_NAME": f.Name, "AWS_LAMBDA_FUNCTION_VERSION": v.Version, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": text(v.Memory),
			"AWS_LAMBDA_LOG_GROUP_NAME": group, "AWS_LAMBDA_LOG_STREAM_NAME": stream, "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
			"AWS_EXECUTION_ENV": "AWS_Lambda_" + v.Runtime, "AWS_EC2_METADATA_DISABLED": "true", "TZ": ":UTC", "LANG": "en_US.UTF-8"}}
	for _, arn := range v.Layers {
		if code := s.layerCode(arn); code != nil {
			spec.layers = append(spec.layers, code)
		}
	}
	if v.LogFormat != "" {
		spec.env["AWS_LAMBDA_LOG_FORMAT"] = v.LogFormat
	}
	maps.Copy(spec.env, v.Environment)
	return spec, nil
}

// prepare unpacks what the process runs, and finds what runs it.
func (s *Sandbox) prepare(spec *processSpec, run *lambdaRun) error {
	l := s.lambdas
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dir == "" {
		dir, err := os.MkdirTemp("", "axle-sandbox-lambda-")
		if err != nil {
			return err
		}
		l.dir = dir
		for name, text := range map[string]string{"bootstrap.py": pythonBootstrap, "bootstrap.mjs": nodeBootstrap} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				return err
			}
		}
	}
	var err error
	if spec.task, err = l.folder(spec.code); err != nil {
		return err
	}
	if len(spec.layers) > 0 {
		if spec.opt, err = l.folder(spec.layers...); err != nil {
			return err
		}
	}
	return l.command(spec)
}

// folder is where packages are unpacked, one over the other.
func (l *lambdas) folder(packages ...[]byte) (string, error) {
	digest := ""
	for _, p := range packages {
		digest = digestOf(digest + codeDigest(p))
	}
	if dir := l.folders[digest]; dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp(l.dir, "code-")
	if err != nil {
		return "", err
	}
	for _, p := range packages {
		if err := unpack(p, dir); err != nil {
			return "", &apiError{Status: 502, Code: "InvalidZipFileException", Message: err.Error()}
		}
	}
	l.folders[digest] = dir
	return dir, nil
}

// command sets what is executed.
func (l *lambdas) command(spec *processSpec) error {
	switch kind := lambdaRuntimes[spec.runtime]; kind {
	case "bootstrap":
		for _, dir := range []string{spec.task, spec.opt} {
			if st, err := os.Stat(filepath.Join(dir, "bootstrap")); dir != "" && err == nil && st.Mode()&0o111 != 0 {
				spec.args = []string{filepath.Join(dir, "bootstrap")}
				return nil
			}
		}
		spec.broken = errorPayload("Runtime.InvalidEntrypoint", "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]: the package needs an executable of this name at its root")
	default:
		engine, err := l.engine(kind)
		if err != nil {
			return err
		}
		script := map[string]string{"python3": "bootstrap.py", "node": "bootstrap.mjs"}[kind]
		spec.args = []string{engine, filepath.Join(l.dir, script)}
	}
	return nil
}

// engine is this machine's python3 or node itself, not a script before it.
func (l *lambdas) engine(name string) (string, error) {
	if path := l.engines[name]; path != "" {
		return path, nil
	}
	ask := map[string][]string{"python3": {"-c", "import sys; print(sys.executable)"}, "node": {"-p", "process.execPath"}}[name]
	out, err := exec.Command(name, ask...).Output()
	if err != nil {
		return "", &apiError{Status: 502, Code: "InvalidRuntimeException", Message: "The sandbox runs such functions with this machine's " + name + ", which isn't to be had: " + err.Error()}
	}
	l.engines[name] = strings.TrimSpace(string(out))
	return l.engines[name], nil
}
