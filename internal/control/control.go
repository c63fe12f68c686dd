// Package control holds the use cases: plan, deploy, resume, destroy, status,
// bootstrap and the rest. It wires configuration, plan, engine, store, cloud and
// actions together, for the command line or whoever else calls it. It prints
// nothing, asks nothing and decides no exit code: results and typed errors go back.
package control

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"axle"
	"axle/internal/action"
	"axle/internal/artifact"
	"axle/internal/cloud"
	"axle/internal/config"
	"axle/internal/diag"
	"axle/internal/expr"
	"axle/internal/plan"
	"axle/internal/store"
	"axle/internal/template"
)

// Options are what all use cases take.
type Options struct {
	File    string // axle.yaml
	Env     string
	Where   string   // narrows targets
	Regions []string // narrows regions
	// Refresh discovers the organization anew instead of using the snapshot.
	Refresh bool
	// Presume takes the caller for who had the same access key a moment ago: for
	// Deploy and Destroy without a review, and for Credentials, which see to it
	// that it is so before anything is done.
	Presume bool
	// NoPeering leaves peerings out.
	NoPeering bool
	// Verify makes a change set for every stack, also where nothing seems to
	// have changed.
	Verify bool
	// Import is a file of existing resources that are brought into their stacks.
	Import string
	// RevertDrift makes change sets that compare with the live state.
	RevertDrift bool
	// ConfirmTargets is the number of targets that the user means; 0 when it
	// isn't said.
	ConfirmTargets int
	// Adopt names the stacks that become the project's; nil is a deploy as usual.
	Adopt []string
	// Stale narrows to the stacks whose values aren't any more what they read.
	Stale bool
	// ForceReferences takes away what other stacks still read.
	ForceReferences bool
	// Recovery is what is allowed with stacks that can't go on by themselves.
	Recovery action.Recovery
	// Role is assumed in the targets instead of access.role.
	Role string
	// Save: the plan is to be saved, so more is looked at.
	Save          bool
	MaxConcurrent int
	Log           *slog.Logger
	// Say tells the user what is waited for; it may be nil.
	Say     func(string)
	Version string
	// run is the id of the run that is resumed; empty for a new one.
	run string
	// opened is the project, once it is: a journal in the hub is opened through it.
	opened *Work
	// wrap, for tests, stands between a run and its journal.
	wrap func(store.Store) store.Store
}

// Work is an opened project: read, checked, and with the organization known.
type Work struct {
	opts      Options
	project   *config.Project
	templates map[string]*template.Template
	where     *expr.Selector
	cloud     *cloud.Cloud
	identity  cloud.Identity // of the caller
	org       *axle.Organization
	hub       plan.Hub
	deployed  int // stacks of the project that a prune found
	peered    int // and peering connections
	began     time.Time
	run       string // id, also for use cases that keep no record
	asked     *projectReads
	// packed are the templates with local paths packaged, refers what they
	// refer to by their digest; nil before.
	packed   map[string]*template.Template
	refers   map[string][]axle.Artifact
	packager *artifact.Packager
	buckets  *buckets
	// Warnings are what the user should be told, in order.
	Warnings []string
}

// Load reads and checks a project without calling anybody. The error is a
// diag.List with all that is wrong.
func Load(o Options) (*Work, error) { return load(o, true) }

// load is Load; without stacks what axle.yaml says of them isn't held against
// the templates.
func load(o Options, stacks bool) (*Work, error) {
	w := &Work{opts: o, run: o.run, began: time.Now()}
	if w.run == "" {
		w.run = NewRunID(time.Now())
	}
	project, problems := config.Load(o.File, o.Env)
	if project != nil && stacks {
		var more diag.List
		w.templates, more = loadTemplates(project)
		problems = append(problems, more...)
		problems = append(problems, plan.Check(project, w.templates)...)
	}
	if o.Where != "" {
		sel, more := expr.CompileSelector(o.Where, diag.Pos{File: "--where", Line: 1, Col: 1})
		w.where = sel
		problems = append(problems, more...)
	}
	for _, r := range o.Regions {
		if !config.ValidRegion(r) {
			problems.Add(diag.Pos{File: "--region"}, "such as eu-west-1", "%q is not a region", r)
		}
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	w.project = project
	for _, d := range problems.Warnings() {
		w.warn("%s", strings.Replace(d.Error(), "warning: ", "", 1))
	}
	return w, nil
}

// warn keeps what the user should be told, once.
func (w *Work) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(w.Warnings, text) {
		w.Warnings = append(w.Warnings, text)
	}
}

// Project is the name of the project.
func (w *Work) Project() string { return w.project.Name.Value }

// loadTemplates reads the templates that are files, each once.
func loadTemplates(p *config.Project) (map[string]*template.Template, diag.List) {
	var problems diag.List
	out := map[string]*template.Template{}
	byFile := map[string]*template.Template{}
	for i := range p.Stacks {
		s := &p.Stacks[i]
		file := s.Template.Value
		if file == "" || remote(file) {
			continue
		}
		if t, ok := byFile[file]; ok {
			out[s.Name] = t
			continue
		}
		t, more := loadTemplate(p.Dir, s.Template)
		problems = append(problems, more...)
		byFile[file] = t
		if t != nil {
			out[s.Name] = t
		}
	}
	return out, problems
}

func loadTemplate(dir string, from config.Text) (*template.Template, diag.List) {
	path := from.Value
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		var problems diag.List
		problems.Add(from.Pos, "paths are relative to the folder of axle.yaml", "template %s: %v", from.Value, unwrapPath(err))
		return nil, problems
	}
	t, problems := template.Parse(path, body)
	if !t.Readable() {
		return nil, problems
	}
	return t, problems
}

func remote(path string) bool {
	return strings.HasPrefix(path, "s3://") || strings.HasPrefix(path, "https://")
}

// unwrapPath drops the path from a file error: the message names it already.
func unwrapPath(err error) error {
	if pe, ok := err.(*os.PathError); ok {
		return pe.Err
	}
	return err
}

// stateDir is where the journal and the snapshot are: beside axle.yaml.
func stateDir(file string) string { return filepath.Join(filepath.Dir(file), ".axle") }

// NewRunID makes the id of a run: sortable by time, unique, fit for names of
// sessions and change sets.
func NewRunID(now time.Time) string {
	var b [3]byte
	rand.Read(b[:]) //nolint:errcheck // crypto/rand.Read never fails
	return "r" + now.UTC().Format("20060102-150405") + "-" + hex.EncodeToString(b[:])
}
