// Package artifact makes what templates refer to by local paths fit for S3: it
// zips folders, builds Go functions, packages nested templates, and rewrites the
// templates. What it makes depends on content alone: neither times, order, the
// machine nor the compression count, so the same source has the same key
// everywhere, and a template that is unchanged stays so. It uploads nothing, and
// it builds no language but Go.
package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"axle"
	"axle/internal/diag"
	"axle/internal/template"

	"golang.org/x/sync/errgroup"
)

// Places says where artifacts will be. Only at home it must not use pseudo
// parameters.
type Places interface {
	Bucket(home bool) string
	URL(key string, home bool) string
}

// Packager packages templates. What several of them refer to is made once.
type Packager struct {
	places Places
	dir    string // for what is built

	mu       sync.Mutex
	contents map[string]content // by key
	made     map[string]*making // by source
	warnings map[string]bool
}

// content makes an artifact's bytes.
type content interface {
	write(w io.Writer) error
}

// making is one source that is packaged, awaited by all who refer to it.
type making struct {
	once sync.Once
	key  string
	err  error
}

// New makes a packager, which keeps what it builds in a folder.
func New(places Places, dir string) *Packager {
	return &Packager{places: places, dir: dir, contents: map[string]content{}, made: map[string]*making{}, warnings: map[string]bool{}}
}

// Packaged is a template whose local paths are places in S3.
type Packaged struct {
	*template.Template
	// Artifacts are what it refers to, and its nested templates do.
	Artifacts []axle.Artifact
}

// Pack packages a template. What is wrong has the place of the property.
func (p *Packager) Pack(ctx context.Context, t *template.Template) (*Packaged, diag.List) {
	return p.pack(ctx, t, nil)
}

// pack is Pack of a template that is nested in others, given by their files.
func (p *Packager) pack(ctx context.Context, t *template.Template, within []string) (*Packaged, diag.List) {
	locals := t.Locals()
	if len(locals) == 0 {
		return &Packaged{Template: t}, nil
	}
	var problems diag.List
	if strings.Contains(t.File, "://") {
		for _, l := range locals {
			problems.Add(l.Pos, "give the template as a file of this machine, or write an s3:// address", "%s: a path of this machine in a template that is read from elsewhere", l.Says())
		}
		return nil, problems
	}
	found := make([][]axle.Artifact, len(locals))
	wrong := make([]diag.List, len(locals))
	var g errgroup.Group
	g.SetLimit(4)
	for i := range locals {
		g.Go(func() error {
			found[i], wrong[i] = p.one(ctx, t.File, &locals[i], within)
			return nil
		})
	}
	_ = g.Wait() // what went wrong is kept by local path
	out := &Packaged{}
	at := map[diag.Pos]template.Place{}
	for i := range locals {
		problems = append(problems, wrong[i]...)
		for _, a := range found[i] {
			out.add(a)
		}
		if len(found[i]) > 0 {
			own := found[i][0]
			at[locals[i].Pos] = template.Place{Bucket: p.places.Bucket(own.Home), Key: own.Key, URL: p.places.URL(own.Key, own.Home)}
		}
	}
	if problems.Err() != nil {
		return nil, problems
	}
	body, more := t.Relocated(at)
	if more.Err() != nil {
		return nil, more
	}
	out.Template, more = template.Parse(t.File, body)
	return out, append(problems, more.Errors()...) // its warnings are told already
}

// add adds an artifact, or its sources to one that is there.
func (p *Packaged) add(a axle.Artifact) {
	i := slices.IndexFunc(p.Artifacts, func(o axle.Artifact) bool { return o.Key == a.Key && o.Home == a.Home })
	if i < 0 {
		p.Artifacts = append(p.Artifacts, a)
		return
	}
	p.Artifacts[i].Early = p.Artifacts[i].Early || a.Early
	for _, s := range a.Sources {
		if !slices.Contains(p.Artifacts[i].Sources, s) {
			p.Artifacts[i].Sources = append(p.Artifacts[i].Sources, s)
		}
	}
}

// one packages what one property refers to: its own artifact first, then those
// of a nested template.
func (p *Packager) one(ctx context.Context, file string, l *template.Local, within []string) ([]axle.Artifact, diag.List) {
	var problems diag.List
	path := located(file, l)
	own := axle.Artifact{Early: l.Early, Home: atHome(l), Sources: []string{l.Says()}}
	var nested []axle.Artifact
	var err error
	if l.Content == template.ContentNested {
		var inner *Packaged
		if inner, own.Key, problems = p.nested(ctx, file, path, l, within); inner == nil {
			return nil, problems
		}
		nested = inner.Artifacts
	} else if own.Key, err = p.source(ctx, path, l); err != nil {
		addTrouble(&problems, l, err)
		return nil, problems
	}
	return append([]axle.Artifact{own}, nested...), problems
}

// problem is an error with what to do about it.
type problem struct{ text, hint string }

func (e *problem) Error() string { return e.text }

func trouble(hint, format string, args ...any) error {
	return &problem{fmt.Sprintf(format, args...), hint}
}

// stat looks at a path; the error says where it was looked for.
func stat(path string) (os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, trouble("paths are relative to the folder of the template: "+path+" was looked for", "%v", bare(err))
	}
	return info, nil
}

// Missing are the local paths of a template at which nothing is.
func Missing(t *template.Template) diag.List {
	var problems diag.List
	for _, l := range t.Locals() {
		if _, err := stat(located(t.File, &l)); err != nil {
			addTrouble(&problems, &l, err)
		}
	}
	return problems
}

// addTrouble adds what is wrong with a local path.
func addTrouble(problems *diag.List, l *template.Local, err error) {
	hint := ""
	if says, ok := err.(*problem); ok {
		hint = says.hint
	}
	problems.Add(l.Pos, hint, "%s: %v", l.Says(), err)
}

// bare is a file error without the path: the message has it already.
func bare(err error) error {
	if pe, ok := err.(*os.PathError); ok {
		return pe.Err
	}
	return err
}

// nested packages a nested template.
func (p *Packager) nested(ctx context.Context, file, path string, l *template.Local, within []string) (*Packaged, string, diag.List) {
	var problems diag.List
	chain := append(slices.Clone(within), absolute(file))
	if slices.Contains(chain, absolute(path)) {
		problems.Add(l.Pos, "", "%s: the template is nested in itself", l.Says())
		return nil, "", problems
	}
	info, err := stat(path)
	if err == nil && info.IsDir() {
		err = trouble("name the template's file", "it is a folder")
	}
	var body []byte
	if err == nil {
		body, err = os.ReadFile(path)
		err = bare(err)
	}
	if err != nil {
		addTrouble(&problems, l, err)
		return nil, "", problems
	}
	t, problems := template.Parse(path, body)
	if problems.Err() != nil {
		return nil, "", problems
	}
	inner, more := p.pack(ctx, t, chain)
	problems = append(problems, more...)
	if problems.Err() != nil {
		return nil, "", problems
	}
	if l.Type == "AWS::CloudFormation::StackSet" && len(inner.Artifacts) > 0 {
		problems.Add(l.Pos, "make it a stack of axle.yaml, with the regions as its regions", "%s: its template has local paths, and the regions that the stack set goes to aren't known here", l.Says())
		return nil, "", problems
	}
	key := p.keep(axle.ArtifactTemplates, digest(inner.Body), extension(path, ".yaml"), text(inner.Body))
	return inner, key, problems
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path
}

// extension is that of a file, if it is one that can stand in a key.
func extension(path, otherwise string) string {
	ext := strings.ToLower(filepath.Ext(path))
	if len(ext) < 2 || len(ext) > 12 || strings.Trim(ext[1:], "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return otherwise
	}
	return ext
}

// keep remembers content under its key.
func (p *Packager) keep(kind, sum, ext string, c content) string {
	key := kind + "/" + sum + ext
	p.mu.Lock()
	defer p.mu.Unlock()
	p.contents[key] = c
	return key
}

// warn tells something once.
func (p *Packager) warn(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.warnings[fmt.Sprintf(format, args...)] = true
}

// Warnings are what the user should be told, sorted.
func (p *Packager) Warnings() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]string, 0, len(p.warnings))
	for w := range p.warnings {
		out = append(out, w)
	}
	slices.Sort(out)
	return out
}

// Has says whether the packager has made an artifact.
func (p *Packager) Has(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.contents[key] != nil
}

// Open gives an artifact's bytes, in a file that is removed when it is closed.
// It fails when the source isn't any more what the key says.
func (p *Packager) Open(key string) (io.ReadSeekCloser, error) {
	p.mu.Lock()
	c := p.contents[key]
	p.mu.Unlock()
	if c == nil {
		return nil, fmt.Errorf("artifact %s: %w", key, axle.ErrNotFound)
	}
	f, err := os.CreateTemp("", "axle-artifact-*")
	if err != nil {
		return nil, fmt.Errorf("package %s: %w", key, err)
	}
	out := &passing{f}
	if err = c.write(f); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = out.Close() // what went wrong before says more
		return nil, fmt.Errorf("package %s: %w", key, err)
	}
	return out, nil
}

// passing is a file that goes when it is closed.
type passing struct{ *os.File }

func (f *passing) Close() error {
	err := f.File.Close()
	if gone := os.Remove(f.Name()); err == nil {
		err = gone
	}
	return err
}

// text is content that is in memory.
type text []byte

func (t text) write(w io.Writer) error {
	_, err := w.Write(t)
	return err
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
