package lint

import (
	"slices"
	"strings"

	"axle/internal/template"
	"axle/policy"
)

func pipelineRules() []Rule {
	return []Rule{
		{ID: "AX059", Severity: Error, Where: "P", Title: "The target's roles can't read the pipeline's artifacts",
			Why:   "The action's role needs s3:GetObject in the bucket's policy and kms:Decrypt in the key's.",
			Fix:   "Allow the roles of the target account both, in the pipeline's account.",
			check: eachAction(checkArtifacts)},
		{ID: "AX071", Severity: Warning, Where: "T", Title: "A service is let in that acts as its caller",
			Why:   "CodePipeline, CodeBuild and CloudFormation read artifacts as the role of the action, not as a service.",
			Fix:   "Name the role.",
			check: eachStatement(checkForwarded)},
		{ID: "AX093", Severity: Error, Where: "TP", Title: "A deploying action with the wrong roles",
			Why:   "The action's role and CloudFormation's must both be in the target account, and a change set needs the latter.",
			Fix:   "Set RoleArn of the action and of its Configuration to roles of the target account.",
			check: eachAction(checkActionRoles)},
		{ID: "AX094", Severity: Error, Where: "T", Title: "A pipeline to another account without a key of its own",
			Why:   "Artifacts are encrypted with the AWS-managed key of S3 then, which no other account can use.",
			Fix:   "Set EncryptionKey of the artifact store to a KMS key.",
			check: eachAction(checkArtifactKey)},
	}
}

// action is one action of a pipeline.
type action struct {
	u      *unit
	d      *template.Declared
	node   *template.Node
	role   *template.Node // RoleArn
	config *template.Node
	stores []*template.Node // artifact stores
}

func eachAction(check func(*run, action)) func(*run) {
	return eachResource(func(r *run, u *unit, d *template.Declared) {
		stores := d.Properties.Get("ArtifactStore").List()
		for _, s := range d.Properties.Get("ArtifactStores").List() {
			stores = append(stores, s.Get("ArtifactStore"))
		}
		for _, stage := range d.Properties.Get("Stages").List() {
			for _, a := range stage.Get("Actions").List() {
				check(r, action{u, d, a, a.Get("RoleArn"), a.Get("Configuration"), stores})
			}
		}
	}, "AWS::CodePipeline::Pipeline")
}

// abroad says whether an action works in another account: its role says so, or
// is a parameter.
func (a action) abroad() bool {
	if a.role == nil {
		return false
	}
	if arn, ok := splitARN(a.u.sealText(a.role.Str())); ok {
		return arn.account != a.u.account && !strings.Contains(arn.account, "AWS-AccountId") && (a.u.account != "" || strings.Contains(arn.account, "<"))
	}
	// A parameter or an import: a role of its own template would be known.
	return strings.HasPrefix(a.role.Str(), "${") && !slices.ContainsFunc(a.role.Refs, func(ref template.Reference) bool { return a.u.byName[ref.Name] != nil })
}

func checkArtifactKey(r *run, a action) {
	if !a.abroad() {
		return
	}
	for _, store := range a.stores {
		if store.Get("EncryptionKey") == nil {
			r.inResource(a.d, store, "action %s works in another account, which can't decrypt what is in the artifact store", a.node.Get("Name").Str())
		} else if id := store.Get("EncryptionKey", "Id"); strings.Contains(id.Str(), "alias/aws/") {
			r.inResource(a.d, id, "the artifact store uses the AWS-managed key, and action %s works in another account", a.node.Get("Name").Str())
		}
	}
}

func checkActionRoles(r *run, a action) {
	if a.node.Get("ActionTypeId", "Provider").Str() != "CloudFormation" || !a.abroad() {
		return
	}
	mode, role := a.config.Get("ActionMode"), a.config.Get("RoleArn")
	name := a.node.Get("Name").Str()
	if role == nil {
		// Executing a change set uses the role that it was made with.
		if m := mode.Str(); m != "CHANGE_SET_EXECUTE" && !strings.HasPrefix(m, "${") {
			r.inResource(a.d, a.config, "action %s (%s) gives CloudFormation no role", name, m)
		}
		return
	}
	x, ok1 := splitARN(a.u.sealText(a.role.Str()))
	y, ok2 := splitARN(a.u.sealText(role.Str()))
	if ok1 && ok2 && x.account != y.account {
		r.inResource(a.d, role, "action %s enters account %s, but CloudFormation's role is in %s", name, x.account, y.account)
	}
}

// checkArtifacts asks the bucket's and the key's policies for the roles.
func checkArtifacts(r *run, a action) {
	arn, ok := splitARN(a.u.sealText(a.role.Str()))
	if !ok || !a.abroad() || !accountForm.MatchString(arn.account) || strings.Contains(arn.resource, "<") {
		return
	}
	who := policy.ParsePrincipal(a.u.sealText(a.role.Str()))
	for _, store := range a.stores {
		location := store.Get("Location")
		for _, d := range a.u.resources {
			bucket := placed{a.u, d}
			if d.Type != "AWS::S3::Bucket" || !a.u.refers(location, d) || r.openPolicies(bucket) {
				continue
			}
			object := evaluable(a.u.seal(a.u.arn(d))) + "/x"
			if !slices.ContainsFunc(r.attached(bucket), func(doc *document) bool { return r.resourceAllows(doc, who, "s3:GetObject", object, nil) }) {
				r.inResource(a.d, a.role, "the policy of bucket %s doesn't let %s read", d.Name, who.ARN)
			}
		}
		if k, ok := r.findKey(a.u, store.Get("EncryptionKey", "Id")); ok {
			keyARN := evaluable(k.u.seal(k.u.arn(k.d)))
			if !slices.ContainsFunc(k.u.docsOf[k.d.Name], func(doc *document) bool { return r.resourceAllows(doc, who, "kms:Decrypt", keyARN, nil) }) {
				r.inResource(a.d, a.role, "the policy of key %s doesn't let %s decrypt", k.d.Name, who.ARN)
			}
		}
	}
}

func checkForwarded(r *run, s *statement) {
	if !s.allow || !s.doc.shared() || s.doc.service != "s3" && s.doc.service != "kms" {
		return
	}
	for _, p := range s.principals {
		if name := serviceName(p.text()); p.kind == "Service" && (name == "codepipeline" || name == "codebuild" || name == "cloudformation") {
			r.inDoc(s.doc, p.node, "%s lets %s in, which comes as a role", s.doc.label(), p.text())
		}
	}
}
