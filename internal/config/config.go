// Package config turns axle.yaml into a typed project: strictly, with the place
// of every value, and with all mistakes at once. What may stand in the file is
// one table (format.go), from which the JSON Schema for editors is made too. Of
// what the file points to it reads the files of parameters only; whether a
// template exists or an expression finds anything is for others to say.
package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"axle/internal/diag"
	"axle/internal/expr"
)

// Text is a scalar with its place: that of its first character.
type Text struct {
	Value string
	Pos   diag.Pos
}

// Project is an axle.yaml, with one of its environments applied.
type Project struct {
	File string
	Dir  string // what relative paths in the file are relative to
	Name Text

	Organization Organization
	Access       Access
	Store        Store
	Hub          Hub
	Regions      []Text // defaults of stacks that name none
	// Vars is the tree of vars, the environment's merged in: map[string]any.
	Vars any
	// Env is the chosen environment, "" for none; Environments are all, sorted.
	Env          string
	Environments []string
	Stacks       []Stack // in the file's order, as are peerings
	Peerings     []Peering
	// EnvVars are the top-level keys of vars that the environment gives.
	EnvVars []string
}

// Stack finds a stack by its name.
func (p *Project) Stack(name string) (*Stack, bool) {
	for i := range p.Stacks {
		if p.Stacks[i].Name == name {
			return &p.Stacks[i], true
		}
	}
	return nil, false
}

// Organization says where the accounts come from.
type Organization struct {
	Kind string // aws, file or ssm
	Arg  string // the file's path (relative to Project.Dir), the parameter's name
	Pos  diag.Pos
}

// Store says where runs are recorded: if nothing is said, in a file beside
// axle.yaml. What is said may be wrong, and the address empty for that.
type Store struct {
	Said    bool
	Address Text
}

// Access says how accounts are entered.
type Access struct {
	Via             Text // a role's name in the hub account, or an ARN; may be empty
	Role            Text
	ExternalID      Text
	SessionPolicy   Text // a JSON document
	SourceIdentity  Text
	SessionDuration time.Duration // 0: an hour
	Overrides       []Override    // the first that matches wins
}

// Override is access to some accounts that differs.
type Override struct {
	Where *expr.Selector
	// Role "none": the credentials after via are used as they are. Role, Via
	// and ExternalID are the general ones where empty.
	Role, Via, ExternalID Text
	Pos                   diag.Pos
}

// Hub is the account that everything is worked from. One of AccountID and
// Account is set.
type Hub struct {
	AccountID string
	Account   *expr.Selector
	Region    Text
	Pos       diag.Pos
}

// Defined says whether the file has a hub.
func (h Hub) Defined() bool { return h.Pos.Line > 0 }

// Stack is a stack and where it goes.
type Stack struct {
	Name     string
	Pos      diag.Pos
	Template Text // a path, s3:// or https://
	// Hub: the target is the hub account. Else Targets chooses.
	Hub        bool
	Targets    *expr.Selector
	TargetsPos diag.Pos
	Regions    Regions
	// ParameterFiles are paths, relative to Project.Dir. Load puts what is in
	// them into Parameters and Tags, where the stack has none of that name.
	ParameterFiles []Text
	Parameters     []Parameter
	Tags           []Parameter
	DependsOn      []Text
	Capabilities   []Text
	StackName      Text  // the default filled in, with the stack's own place
	Protect        *bool // nil: not said
	ExecutionRole  Text
	Rollout        *Rollout // nil: every target as soon as it can be
}

// RegionsKind says how a stack's regions are chosen.
type RegionsKind string

// The ways to choose regions.
const (
	RegionsDefault RegionsKind = "default" // Project.Regions
	RegionsList    RegionsKind = "list"
	RegionsHome    RegionsKind = "home"    // the hub's
	RegionsEnabled RegionsKind = "enabled" // those that the account has opted into
)

// Regions are a stack's regions.
type Regions struct {
	Kind RegionsKind
	List []Text // for RegionsList
	Pos  diag.Pos
}

// Parameter is a parameter or a tag of a stack. One with a mistake is there too,
// with a Broken value.
type Parameter struct {
	Name     string
	Pos      diag.Pos
	Value    *expr.Text
	ValuePos diag.Pos
}

// Rollout is in which order and how carefully a stack's targets are worked on.
type Rollout struct {
	OrderBy *expr.Text
	// Canary is the size of the first wave, Wave that of the others; zero is no
	// canary, and all the rest in one wave.
	Canary, Wave, MaxConcurrent Amount
	// WaveTolerance is how many targets of one wave may fail, OverallTolerance
	// how many of all.
	WaveTolerance, OverallTolerance Amount
	Pause                           time.Duration
	// Approval says after which waves a person must approve of going on.
	Approval Approval
	Health   *Health // nil: none
	// Rollback: the stacks of a wave that fails are put back.
	Rollback bool
	Pos      diag.Pos
}

// Approval says which waves wait for a person.
type Approval string

// The waves after which a person is asked.
const (
	ApprovalNone   Approval = ""
	ApprovalCanary Approval = "canary"
	ApprovalWaves  Approval = "wave" // every one
)

// Health is what must be well after each wave.
type Health struct {
	Alarms  []Parameter // names or ARNs of CloudWatch alarms in the target
	Command []Text      // run on this machine
	Timeout time.Duration
	Pos     diag.Pos
}

// Amount is a number of targets, or a part of them.
type Amount struct {
	N       int
	Percent bool
}

// Peering is a VPC peering connection for every instance of the requester.
type Peering struct {
	Name                string
	Pos                 diag.Pos
	Requester, Accepter Side
	DNS                 bool
}

// Side is one side of a peering: a stack, and the names of outputs that it has.
type Side struct {
	Stack, VPC, CIDR Text
	RouteTables      []Text
	Pos              diag.Pos
}

// Load reads the file at path and applies the environment env ("" for none).
// The list may hold warnings only; the project is what could be understood.
func Load(path, env string) (*Project, diag.List) {
	src, err := os.ReadFile(path)
	if err != nil {
		var list diag.List
		hint := "-f names another file"
		if errors.Is(err, fs.ErrNotExist) {
			hint = "axle init writes one; -f names another"
		}
		var at *fs.PathError // the position names the path already
		if errors.As(err, &at) {
			err = at.Err
		}
		list.Add(diag.Pos{File: path}, hint, "%v", err)
		return &Project{File: path, Dir: filepath.Dir(path)}, list
	}
	p := parse(path, src, env)
	p.parameterFiles()
	p.problems.Sort()
	return p.project, p.problems
}
