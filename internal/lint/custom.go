package lint

import (
	"slices"
	"strings"

	"axle/internal/late"
	"axle/internal/template"
)

func customRules() []Rule {
	return []Rule{
		{ID: "AX089", Severity: Warning, Where: "P", Title: "A lookup of exports by a role that may do more",
			Why:   "The function behind a custom resource reads all exports of the other account; with more it is a way in.",
			Fix:   "Let the role there have cloudformation:ListExports only.",
			check: eachResource(checkLookupRole, "AWS::IAM::Role")},
		{ID: "AX090", Severity: Warning, Where: "T", Title: "A custom resource that can hang",
			Why:   "A function that doesn't answer each of Create, Update and Delete, errors included, leaves the stack waiting for an hour.",
			Fix:   "Answer in every case, best by a helper such as crhelper, and treat RequestType Delete.",
			Blind: "Only inline code is looked at.",
			check: eachCode(checkHanging)},
		{ID: "AX091", Severity: Advice, Where: "T", Title: "An ARN that a custom resource looked up",
			Why:   "CloudFormation knows of no dependence: the producer may be deleted, and a new value isn't noticed.",
			Fix:   "Pass it as a parameter: ${{ output(...) }} in axle.yaml.",
			check: eachResource(checkLookedUp)},
		{ID: "AX101", Severity: Error, Where: "P", Title: "Fn::GetStackOutput of another account without a role",
			Why:   "Without a role the stack is looked for in the own account.",
			Fix:   "Give RoleArn of a role there that may read the stack.",
			check: eachUnit(checkStackOutput)},
		{ID: "AX107", Severity: Error, Where: "T", Title: "A custom resource's function, or a share's resource, in another region",
			Why:   "CloudFormation calls functions, and RAM shares resources, of the stack's own region only.",
			Fix:   "Deploy the function to every region of the stack; make the share where the resource is.",
			check: eachResource(checkServiceRegion)},
	}
}

// customResource says whether a resource is made by a function.
func customResource(d *template.Declared) bool {
	return strings.HasPrefix(d.Type, "Custom::") || d.Type == "AWS::CloudFormation::CustomResource"
}

var lookupCode = late.MustCompile(`list_exports|listExports|ListExportsCommand`)

// checkLookupRole: a role that a looking-up function assumes, and what it may.
func checkLookupRole(r *run, u *unit, d *template.Declared) {
	p := placed{u, d}
	lookup := false
	for _, f := range u.resources {
		code := f.Properties.Get("Code", "ZipFile").Str() + f.Properties.Get("InlineCode").Str()
		if u.refers(f.Properties.Get("Role"), d) && (lookupCode.MatchString(code) || strings.Contains(strings.ToLower(f.Name), "lookup")) {
			lookup = true
		}
	}
	if !lookup {
		return
	}
	for _, doc := range u.docsOf[p.d.Name] {
		for _, s := range doc.statements {
			for _, target := range s.reach(r) {
				for _, more := range target.u.docsOf[target.d.Name] {
					r.lookupMore(more, doc)
				}
			}
		}
	}
}

func (r *run) lookupMore(d, from *document) {
	for _, s := range d.statements {
		if !s.allow || !d.identity() {
			continue
		}
		for _, a := range s.actions {
			low := strings.ToLower(a.Str())
			if low == "cloudformation:listexports" || strings.HasPrefix(low, "cloudformation:describestack") || low == "cloudformation:listimports" || strings.HasPrefix(low, "logs:") {
				continue
			}
			r.inDoc(d, a, "%s, by which %s looks up exports, may %s as well", d.label(), from.label(), a.Str())
			return
		}
	}
}

// checkHanging looks at the code of functions that custom resources call.
func checkHanging(r *run, c code) {
	serves := slices.ContainsFunc(c.u.resources, func(d *template.Declared) bool {
		return customResource(d) && c.u.refers(d.Properties.Get("ServiceToken"), c.d)
	})
	if !serves && !strings.Contains(c.text, "ResponseURL") && !strings.Contains(c.text, "cfnresponse") {
		return
	}
	switch {
	case strings.Contains(c.text, "crhelper") || strings.Contains(c.text, "CfnResource"):
	case !strings.Contains(c.text, "ResponseURL") && !strings.Contains(c.text, "cfnresponse") && !strings.Contains(c.text, "cfn-response"):
		r.inResource(c.d, c.node, "%s never answers CloudFormation", c.d.Name)
	case !strings.Contains(c.text, "RequestType"):
		r.inResource(c.d, c.node, "%s does the same for Create, Update and Delete", c.d.Name)
	case !strings.Contains(c.text, "Delete"):
		r.inResource(c.d, c.node, "%s doesn't treat Delete", c.d.Name)
	case !strings.Contains(c.text, "except") && !strings.Contains(c.text, "catch") && !strings.Contains(c.text, "FAILED"):
		r.inResource(c.d, c.node, "%s doesn't answer when it fails", c.d.Name)
	}
}

// arnProperties are those by which one resource calls or lets in another.
var arnProperties = []string{"TopicArn", "SourceArn", "Topic", "EventSourceArn", "RoleArn", "KmsKeyId", "TargetArn", "DestinationArn"}

func checkLookedUp(r *run, u *unit, d *template.Declared) {
	if customResource(d) {
		return
	}
	walk(d.Properties, func(key string, n *template.Node) {
		if !slices.Contains(arnProperties, key) {
			return
		}
		for _, ref := range n.Refs {
			if from := u.byName[ref.Name]; from != nil && ref.Attr != "" && customResource(from) {
				r.inResource(d, n, "%s of %s was looked up by %s", key, d.Name, from.Name)
			}
		}
	})
}

func checkStackOutput(r *run, u *unit) {
	for _, d := range u.resources {
		walk(d.Properties, func(_ string, n *template.Node) {
			if n.Func == "GetStackOutput" {
				r.stackOutput(u, d, n)
			}
		})
	}
}

var stackNameForm = late.MustCompile(`StackName["']?:\s*["']?([A-Za-z][A-Za-z0-9-]*)`)

// stackOutput finds the producer by its stack's name. The call's arguments are
// in the text only: what resolves the template can't know the value.
func (r *run) stackOutput(u *unit, d *template.Declared, n *template.Node) {
	lines := strings.Split(string(u.t.Body), "\n")
	if n.Pos.Line < 1 || n.Pos.Line > len(lines) || u.account == "" {
		return
	}
	around := strings.Join(lines[n.Pos.Line-1:min(len(lines), n.Pos.Line+5)], "\n")
	name := stackNameForm.FindStringSubmatch(around)
	if name == nil || strings.Contains(around, "RoleArn") {
		return
	}
	elsewhere := ""
	for _, other := range r.units {
		if other.world.Stack == name[1] {
			if other.account == u.account {
				return
			}
			elsewhere = other.account
		}
	}
	if elsewhere != "" {
		r.inResource(d, n, "stack %s is in account %s; it is read in %s", name[1], elsewhere, u.account)
	}
}

func checkServiceRegion(r *run, u *unit, d *template.Declared) {
	var nodes []*template.Node
	switch {
	case customResource(d):
		nodes = d.Properties.Get("ServiceToken").List()
	case d.Type == "AWS::RAM::ResourceShare":
		nodes = d.Properties.Get("ResourceArns").List()
	}
	for _, n := range nodes {
		a, ok := splitARN(n.Str())
		if ok && u.region != "" && a.region != "" && !strings.ContainsAny(a.region, "$<*") && a.region != u.region {
			r.inResource(d, n, "%s is in %s, the stack in %s", a.resource, a.region, u.region)
		}
	}
}
