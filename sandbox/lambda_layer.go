package sandbox

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"axle/internal/late"
)

// lambdaLayer is a layer with its versions, which never change.
type lambdaLayer struct {
	Name     string                   `json:"name"`
	Owner    string                   `json:"owner"`
	Region   string                   `json:"region"`
	Last     int                      `json:"last"`
	Versions map[string]*layerVersion `json:"versions,omitempty"` // by number
}

// layerVersion is a package that functions have under /opt.
type layerVersion struct {
	Number      int                        `json:"number"`
	Description string                     `json:"description,omitempty"`
	Licence     string                     `json:"licence,omitempty"`
	Runtimes    []string                   `json:"runtimes,omitempty"`
	Machines    []string                   `json:"machines,omitempty"`
	Code        []byte                     `json:"code"`
	Created     time.Time                  `json:"created"`
	Policy      map[string]*functionPolicy `json:"policy,omitempty"` // under ""
}

func (l *lambdaLayer) arn() string {
	return "arn:aws:lambda:" + l.Region + ":" + l.Owner + ":layer:" + l.Name
}

var (
	layerNames = naming{late.MustCompile(`^[a-zA-Z0-9_-]+$`), 1, 140}
	layerARN   = late.MustCompile(`^arn:aws:lambda:([a-z0-9-]+):([0-9]{12}):layer:([a-zA-Z0-9_-]+)(?::([0-9]+))?$`)
)

const layerRoutes = `
GET    /2018-10-31/layers                                                        200 ListLayers
POST   /2018-10-31/layers/{LayerName}/versions                                   201 PublishLayerVersion
GET    /2018-10-31/layers/{LayerName}/versions                                   200 ListLayerVersions
GET    /2018-10-31/layers/{LayerName}/versions/{VersionNumber}                   200 GetLayerVersion
DELETE /2018-10-31/layers/{LayerName}/versions/{VersionNumber}                   204 DeleteLayerVersion
GET    /2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy            200 GetLayerVersionPolicy
POST   /2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy            201 AddLayerVersionPermission
DELETE /2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy/{StatementId} 204 RemoveLayerVersionPermission
`

func layerOps() map[string]operation {
	version := func(run func(*call, *lambdaLayer, *layerVersion) (obj, error)) operation {
		return operation{access: layerAccess, run: func(c *call) (obj, error) {
			l, v, err := c.layerVersion()
			if err != nil {
				return nil, err
			}
			return run(c, l, v)
		}}
	}
	return map[string]operation{
		"ListLayers":                   {run: listLayers},
		"PublishLayerVersion":          {run: publishLayerVersion, access: layerAccess},
		"ListLayerVersions":            {run: listLayerVersions},
		"GetLayerVersion":              version(getLayerVersion),
		"DeleteLayerVersion":           {run: deleteLayerVersion, access: layerAccess},
		"GetLayerVersionPolicy":        version(getLayerPolicy),
		"AddLayerVersionPermission":    version(addLayerPermission),
		"RemoveLayerVersionPermission": version(removeLayerPermission),
	}
}

// layerAt finds a layer by its ARN, or that of one of its versions, and the
// version.
func (s *Sandbox) layerAt(arn string) (*lambdaLayer, *layerVersion) {
	m := layerARN.FindStringSubmatch(arn)
	if m == nil {
		return nil, nil
	}
	a := s.account(m[2])
	if a == nil || a.Regions[m[1]] == nil {
		return nil, nil
	}
	l := a.Regions[m[1]].Lambda.Layers[m[3]]
	if l == nil {
		return nil, nil
	}
	return l, l.Versions[m[4]]
}

// layerARN is the ARN of the layer of an input, of the caller's unless it is an
// ARN.
func (c *call) layerARN() (string, error) {
	name := c.In.str("LayerName")
	if m := layerARN.FindStringSubmatch(name); m != nil && m[4] == "" {
		return name, nil
	}
	if !layerNames.MatchString(name) {
		return "", breaks(name, "layerName", `Member must satisfy regular expression pattern: (arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+`)
	}
	return c.arn("layer:" + name), nil
}

// layerAccess is the permission on a layer or one of its versions, whose policy
// has a say.
func layerAccess(c *call) ([]access, error) {
	arn, err := c.layerARN()
	if err != nil {
		return nil, err
	}
	if n := c.In.str("VersionNumber"); n != "" {
		arn += ":" + n
	}
	return []access{c.accessToLayer(c.Op, arn)}, nil
}

func (c *call) accessToLayer(action, arn string) access {
	a := access{Action: "lambda:" + action, Resource: arn, Owner: strings.SplitN(arn, ":", 6)[4]}
	if _, v := c.layerAt(arn); v != nil && v.Policy[""] != nil {
		a.Policy = c.inForce(&v.Policy[""].policyText)
	}
	return a
}

func (c *call) layerVersion() (*lambdaLayer, *layerVersion, error) {
	arn, err := c.layerARN()
	if err != nil {
		return nil, nil, err
	}
	arn += ":" + c.In.str("VersionNumber")
	l, v := c.layerAt(arn)
	if v == nil {
		return nil, nil, &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "The resource you requested does not exist."}
	}
	return l, v, nil
}

// checkLayers refuses layers that aren't there or that the caller may not use.
func (c *call) checkLayers(arns []string) error {
	if len(arns) > 5 {
		return invalidLambda("Cannot reference more than 5 layers.")
	}
	seen := map[string]bool{}
	for _, arn := range arns {
		m := layerARN.FindStringSubmatch(arn)
		switch {
		case m == nil || m[4] == "":
			return breaks("["+arn+"]", "layers", "Member must satisfy constraint: [Member must be the ARN of a layer's version]")
		case seen[m[3]+m[2]]:
			return invalidLambda("Two different versions of the same layer are not allowed to be referenced in the same function. %s and another version of it were referenced.", arn)
		case m[1] != c.Region:
			return invalidLambda("Layers are not in the same region as the function. Layers are expected to be in region %s.", c.Region)
		}
		seen[m[3]+m[2]] = true
		if err := c.check(c.accessToLayer("GetLayerVersion", arn)); err != nil {
			return err
		}
		if _, v := c.layerAt(arn); v == nil {
			return invalidLambda("Layer version %s does not exist.", arn)
		}
	}
	return nil
}

// fitsLayers refuses a function that is too large with its layers.
func (c *call) fitsLayers(v *functionVersion) error {
	total := int64(0)
	packages := [][]byte{v.Code}
	for _, arn := range v.Layers {
		packages = append(packages, c.layerCode(arn))
	}
	for _, p := range packages {
		z, err := zip.NewReader(bytes.NewReader(p), int64(len(p)))
		if err != nil {
			continue // it was looked at when it came
		}
		size, err := unzippedSize(z)
		if total += size; err != nil || total > maxUnzipped {
			return invalidLambda("Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", maxUnzipped, total)
		}
	}
	return nil
}

// layerCode is the package of a layer's version; those in use outlive their
// deletion, so that a missing one is that of a state that was made by hand.
func (s *Sandbox) layerCode(arn string) []byte {
	if _, v := s.layerAt(arn); v != nil {
		return v.Code
	}
	return s.st.Layers[arn]
}

func (s *Sandbox) layerSize(arn string) int { return len(s.layerCode(arn)) }

func (v *layerVersion) shown(l *lambdaLayer) obj {
	out := obj{"LayerVersionArn": l.arn() + ":" + strconv.Itoa(v.Number), "Version": v.Number, "Description": v.Description,
		"CreatedDate": v.Created.Format("2006-01-02T15:04:05.000+0000"), "LicenseInfo": optional(v.Licence)}
	if v.Runtimes != nil {
		out["CompatibleRuntimes"] = v.Runtimes
	}
	if v.Machines != nil {
		out["CompatibleArchitectures"] = v.Machines
	}
	return out
}

// withContent adds what one version alone shows.
func (v *layerVersion) withContent(c *call, l *lambdaLayer) obj {
	out := v.shown(l)
	out["LayerArn"] = l.arn()
	out["Content"] = obj{"Location": c.download(v.Code), "CodeSha256": codeDigest(v.Code), "CodeSize": len(v.Code)}
	return out
}

func publishLayerVersion(c *call) (obj, error) {
	arn, err := c.layerARN()
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(arn, c.arn("layer:")) {
		return nil, invalidLambda("A layer is published in the caller's own account and region, not as %s.", arn)
	}
	v := &layerVersion{Description: c.In.str("Description"), Licence: c.In.str("LicenseInfo"), Created: c.now()}
	if c.In.has("CompatibleRuntimes") {
		v.Runtimes = c.In.strs("CompatibleRuntimes")
	}
	if c.In.has("CompatibleArchitectures") {
		v.Machines = c.In.strs("CompatibleArchitectures")
	}
	for _, r := range v.Runtimes {
		if _, known := lambdaRuntimes[r]; !known && !oldRuntimes.MatchString(r) {
			return nil, breaks("["+r+"]", "compatibleRuntimes", "Member must satisfy enum value set: ["+strings.Join(sortedKeys(lambdaRuntimes), ", ")+"]")
		}
	}
	if v.Code, err = c.readCode(c.In.obj("Content")); err != nil {
		return nil, err
	}
	name := arn[strings.LastIndexByte(arn, ':')+1:]
	l := c.here().Lambda.Layers[name]
	if l == nil {
		l = &lambdaLayer{Name: name, Owner: c.Account.ID, Region: c.Region}
		put(&c.here().Lambda.Layers, name, l)
	}
	l.Last++
	v.Number = l.Last
	put(&l.Versions, strconv.Itoa(v.Number), v)
	return v.withContent(c, l), nil
}

// versions are those of the layer, the newest first.
func (l *lambdaLayer) versions() []*layerVersion {
	var out []*layerVersion
	for _, v := range l.Versions {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *layerVersion) int { return b.Number - a.Number })
	return out
}

// compatible says whether the input's filters let a version through.
func (c *call) compatible(v *layerVersion) bool {
	r, m := c.In.str("CompatibleRuntime"), c.In.str("CompatibleArchitecture")
	return (r == "" || slices.Contains(v.Runtimes, r)) && (m == "" || slices.Contains(v.Machines, m))
}

func listLayers(c *call) (obj, error) {
	latestOf := map[string]*layerVersion{}
	for name, l := range c.here().Lambda.Layers {
		for _, v := range l.versions() {
			if c.compatible(v) && latestOf[name] == nil {
				latestOf[name] = v
			}
		}
	}
	return lambdaPage(c, "Layers", sortedKeys(latestOf), same, func(name string) any {
		l := c.here().Lambda.Layers[name]
		return obj{"LayerName": name, "LayerArn": l.arn(), "LatestMatchingVersion": latestOf[name].shown(l)}
	})
}

func listLayerVersions(c *call) (obj, error) {
	arn, err := c.layerARN()
	if err != nil {
		return nil, err
	}
	l, _ := c.layerAt(arn)
	var found []*layerVersion
	if l != nil && l.Owner == c.Account.ID {
		found = slices.DeleteFunc(l.versions(), func(v *layerVersion) bool { return !c.compatible(v) })
	}
	newest := func(v *layerVersion) string { return fmt.Sprintf("%012d", 1_000_000_000-v.Number) }
	return lambdaPage(c, "LayerVersions", found, newest, func(v *layerVersion) any { return v.shown(l) })
}

func getLayerVersion(c *call, l *lambdaLayer, v *layerVersion) (obj, error) {
	return v.withContent(c, l), nil
}

// deleteLayerVersion is no error for a version that isn't there. Functions that
// have it keep it.
func deleteLayerVersion(c *call) (obj, error) {
	l, v, err := c.layerVersion()
	if err != nil {
		return obj{}, nil //nolint:nilerr // it is gone
	}
	n := strconv.Itoa(v.Number)
	if arn := l.arn() + ":" + n; c.layerInUse(arn) {
		put(&c.st.Layers, arn, v.Code)
	}
	delete(l.Versions, n)
	return obj{}, nil
}

// layerInUse says whether any function has the version.
func (s *Sandbox) layerInUse(arn string) bool {
	for _, a := range s.st.Accounts {
		for _, r := range a.Regions {
			for _, f := range r.Lambda.Functions {
				for _, v := range append(f.published(), f.Latest) {
					if slices.Contains(v.Layers, arn) {
						return true
					}
				}
			}
		}
	}
	return false
}

func getLayerPolicy(c *call, _ *lambdaLayer, v *layerVersion) (obj, error) {
	p := v.Policy[""]
	if p == nil || c.inForce(&p.policyText) == "" {
		return nil, &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "No policy is associated with the given resource."}
	}
	return obj{"Policy": c.inForce(&p.policyText), "RevisionId": p.Revision}, nil
}

func addLayerPermission(c *call, l *lambdaLayer, v *layerVersion) (obj, error) {
	p, sid := v.Policy[""], c.In.str("StatementId")
	if err := c.checkRevision(p.revision(), "GetLayerVersionPolicy"); err != nil {
		return nil, err
	}
	if c.In.str("Action") != "lambda:GetLayerVersion" {
		return nil, breaks(c.In.str("Action"), "action", "Member must satisfy regular expression pattern: lambda:GetLayerVersion")
	}
	statements := p.statements()
	if slices.ContainsFunc(statements, func(s map[string]any) bool { return text(s["Sid"]) == sid }) {
		return nil, &apiError{Status: 409, Code: "ResourceConflictException",
			Message: "The statement id (" + sid + ") provided already exists. Please provide a new statement id, or remove the existing statement."}
	}
	principal, err := c.permissionPrincipal()
	if err != nil {
		return nil, err
	}
	statement := map[string]any{"Sid": sid, "Effect": "Allow", "Principal": principal, "Action": "lambda:GetLayerVersion", "Resource": l.arn() + ":" + strconv.Itoa(v.Number)}
	if org := c.In.str("OrganizationId"); org != "" {
		statement["Condition"] = map[string]any{"StringEquals": map[string]any{"aws:PrincipalOrgID": org}}
	}
	if err := c.setStatements(&v.Policy, "", append(statements, statement)); err != nil {
		return nil, err
	}
	return obj{"Statement": documentText(statement), "RevisionId": v.Policy[""].Revision}, nil
}

func removeLayerPermission(c *call, _ *lambdaLayer, v *layerVersion) (obj, error) {
	p, sid := v.Policy[""], c.In.str("StatementId")
	statements := p.statements()
	kept := slices.DeleteFunc(slices.Clone(statements), func(s map[string]any) bool { return text(s["Sid"]) == sid })
	if len(kept) == len(statements) {
		return nil, &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "Statement " + sid + " is not found in resource policy."}
	}
	if err := c.checkRevision(p.Revision, "GetLayerVersionPolicy"); err != nil {
		return nil, err
	}
	return obj{}, c.setStatements(&v.Policy, "", kept)
}

// Packages are given out by links that are good for a while, as S3's are.
const (
	downloadPath = "/.sandbox/lambda/"
	downloadTime = 10 * time.Minute
)

// download is a link to a package.
func (s *Sandbox) download(code []byte) string {
	token := s.id(40)
	put(&s.lambdas.downloads, token, code)
	s.after(downloadTime, "", func() { delete(s.lambdas.downloads, token) })
	return s.endpoint + downloadPath + token
}

// serveDownload answers such a link, which needs no signature.
func (s *Sandbox) serveDownload(r *http.Request) *reply {
	s.lock()
	code := s.lambdas.downloads[strings.TrimPrefix(r.URL.Path, downloadPath)]
	s.unlock()
	rec := &reply{header: http.Header{}, status: http.StatusOK}
	if code == nil {
		rec.WriteHeader(http.StatusForbidden)
		_, _ = rec.Write([]byte("The link has expired."))
		return rec
	}
	rec.Header().Set("Content-Type", "application/zip")
	_, _ = rec.Write(code)
	return rec
}
